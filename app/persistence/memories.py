"""What is remembered of users, for them to see and to delete; every statement is about one user's."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.persistence.database import Pool, database_errors, execute, fetch_all
from app.persistence.remembered import MemoryPlace, MemoryRow

# A search is for the very words, in any case: `LIKE` would take some of them for patterns.
_PAGE: Final = """
SELECT id, payload ->> 'data' AS text, created_at, closed_at, replaced_by FROM memory
 WHERE user_id = %(user_id)s AND (%(closed)s OR closed_at IS NULL) AND strpos(lower(payload ->> 'data'), lower(%(search)s)) > 0
   AND (%(moment)s::timestamptz IS NULL OR (created_at, id) < (%(moment)s, %(before)s::uuid))
 ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""
# What it replaced, what that did, and what took its place: a fact is forgotten with its whole history.
_DELETE: Final = """
WITH RECURSIVE fact AS (
    SELECT id, replaced_by FROM memory WHERE id = %(memory_id)s AND user_id = %(user_id)s
    UNION
    SELECT memory.id, memory.replaced_by FROM fact JOIN memory ON memory.replaced_by = fact.id OR memory.id = fact.replaced_by
     WHERE memory.user_id = %(user_id)s
)
DELETE FROM memory USING fact WHERE memory.id = fact.id
"""
# What was said until now is read by no job any more; one that writes at this moment is waited for, and what it wrote is deleted, too.
_FORGET_SAID: Final = "UPDATE session SET remembered_until = now(), unremembered_since = NULL WHERE user_id = %(user_id)s"
_DELETE_ALL: Final = "DELETE FROM memory WHERE user_id = %(user_id)s"


class MemoryTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, user_id: UUID, *, limit: int, before: MemoryPlace | None = None, search: str = "", include_closed: bool = False
    ) -> Sequence[MemoryRow]:
        """The user's memories, newest first, that come after this place in the list and contain `search`."""
        place = {"moment": before and before.created_at, "before": before and before.id}
        values = {"user_id": user_id, "limit": limit, "search": search, "closed": include_closed, **place}
        return [MemoryRow(**row) for row in await fetch_all(self._pool, _PAGE, values)]

    async def delete(self, user_id: UUID, memory_id: UUID) -> int:
        """Delete the memory with those it replaced and those that replaced it; return how many, 0 when it is not the user's."""
        return await execute(self._pool, _DELETE, {"user_id": user_id, "memory_id": memory_id})

    async def delete_all(self, user_id: UUID) -> int:
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_FORGET_SAID, {"user_id": user_id})
                return (await connection.execute(_DELETE_ALL, {"user_id": user_id})).rowcount
