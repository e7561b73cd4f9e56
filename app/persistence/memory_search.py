"""What is recalled of a user: an exact search among their own memories, for an index over everybody's would find too few of them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.persistence.database import Pool, fetch_all

# Of the embedder that asks: while a server re-embeds, another's vectors are still there, and may be of another length. A memory that
# names none was made by the one in use.
OF_EMBEDDER_SQL: Final = """
coalesce(payload ->> 'embedder', (SELECT name FROM memory_embedder), %(embedder)s) = %(embedder)s
"""
# `OFFSET 0` keeps Postgres from computing each distance twice.
_SEARCH: Final = f"""
SELECT text FROM (
    SELECT id, payload ->> 'data' AS text, CASE WHEN vector_dims(vector) = %(dimensions)s THEN vector <=> %(vector)s::vector END AS distance
      FROM memory
     WHERE user_id = %(user_id)s AND closed_at IS NULL
       AND {OF_EMBEDDER_SQL}
    OFFSET 0
) AS mine
 WHERE distance <= %(farthest)s ORDER BY distance, id LIMIT %(limit)s
"""


def recalls_sql(session_id: str) -> str:
    """Whether there is anything to recall in the session of this id, and its user wants it so."""
    return f"""EXISTS (
    SELECT FROM session JOIN "user" ON "user".id = session.user_id
     WHERE session.id = {session_id} AND session.remembers AND NOT session.temporary AND "user".remembers
       AND EXISTS (SELECT FROM memory WHERE memory.user_id = session.user_id AND memory.closed_at IS NULL))"""


class MemorySearch:
    def __init__(self, pool: Pool, *, embedder: str, dimensions: int) -> None:
        """Vectors that are asked with are this embedder's."""
        self._pool = pool
        self._embedder = {"embedder": embedder, "dimensions": dimensions}

    async def search(self, user_id: UUID, vector: Sequence[float], *, limit: int, threshold: float) -> Sequence[str]:
        """The texts of the user's open memories whose cosine with the vector is `threshold` or more, best first."""
        values = {"user_id": user_id, "vector": vector_text(vector), "limit": limit, "farthest": 1 - threshold}
        return [row["text"] for row in await fetch_all(self._pool, _SEARCH, {**self._embedder, **values})]


def vector_text(vector: Sequence[float]) -> str:
    """As pgvector reads it."""
    return f"[{','.join(map(str, vector))}]"
