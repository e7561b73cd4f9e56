"""Whose vectors the memories have, and how they are given another embedder's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.persistence.database import Pool, execute, fetch_all
from app.persistence.memory_search import vector_text

# Who comes first decides, and anybody for so long as nothing is remembered.
_ADOPT: Final = """
INSERT INTO memory_embedder (name, dimensions) VALUES (%(name)s, %(dimensions)s)
ON CONFLICT (one) DO UPDATE SET name = excluded.name, dimensions = excluded.dimensions WHERE NOT EXISTS (SELECT FROM memory)
"""
_IN_USE: Final = "SELECT name FROM memory_embedder"
_SWITCH: Final = """
INSERT INTO memory_embedder (name, dimensions) VALUES (%(name)s, %(dimensions)s)
ON CONFLICT (one) DO UPDATE SET name = excluded.name, dimensions = excluded.dimensions
"""
# A memory that names none has the vector of the embedder in use. Closed ones too: they are still shown, and may be opened again.
_FOREIGN: Final = """
SELECT id, payload ->> 'data' AS text FROM memory
 WHERE id > %(after)s AND coalesce(payload ->> 'embedder', (SELECT name FROM memory_embedder)) IS DISTINCT FROM %(name)s
 ORDER BY id LIMIT %(limit)s
"""
_REPLACE: Final = """
UPDATE memory SET vector = new.vector::vector, payload = payload || jsonb_build_object('embedder', %(name)s::text)
  FROM unnest(%(ids)s::uuid[], %(texts)s::text[], %(vectors)s::text[]) AS new (id, text, vector)
 WHERE memory.id = new.id AND payload ->> 'data' = new.text
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    id: UUID
    text: str


class MemoryVectors:
    """The vectors of one embedder, beside those of others."""

    def __init__(self, pool: Pool, *, embedder: str, dimensions: int) -> None:
        self._pool = pool
        self._name = embedder
        self._embedder = {"name": embedder, "dimensions": dimensions}

    async def adopt(self) -> str | None:
        """Take the embedder into use if none is, or nothing is remembered yet; return the name of another one that is in use."""
        await execute(self._pool, _ADOPT, self._embedder)
        [in_use] = await fetch_all(self._pool, _IN_USE, {})
        return None if in_use["name"] == self._name else str(in_use["name"])

    async def switch(self) -> None:
        """Have servers start with this embedder from now on, and with no other."""
        await execute(self._pool, _SWITCH, self._embedder)

    async def foreign(self, after: UUID, limit: int) -> Sequence[Remembered]:
        """Memories with another embedder's vector, that come after this one in the order of their ids."""
        rows = await fetch_all(self._pool, _FOREIGN, {"name": self._name, "after": after, "limit": limit})
        return [Remembered(**row) for row in rows]

    async def replace(self, memories: Sequence[Remembered], vectors: Sequence[Sequence[float]]) -> int:
        """Give these memories new vectors, each whose text is still the same; return how many."""
        columns = {
            "ids": [memory.id for memory in memories],
            "texts": [memory.text for memory in memories],
            "vectors": [*map(vector_text, vectors)],
        }
        return await execute(self._pool, _REPLACE, {"name": self._name, **columns})
