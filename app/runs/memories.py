"""What is remembered of a user, which is theirs to see and to delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from app.errors import MemoryNotFound
from app.persistence.remembered import MemoryPlace, MemoryRow


class MemoryStore(Protocol):
    async def page(
        self, user_id: UUID, *, limit: int, before: MemoryPlace | None = None, search: str = "", include_closed: bool = False
    ) -> Sequence[MemoryRow]: ...
    async def delete(self, user_id: UUID, memory_id: UUID) -> int: ...
    async def delete_all(self, user_id: UUID) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPage:
    """Some of the list; `next` is the place after which the following page starts, None on the last."""

    items: Sequence[MemoryRow]
    next: MemoryPlace | None


class Memories:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def page(self, user_id: UUID, *, limit: int, before: MemoryPlace | None, search: str, include_closed: bool) -> MemoryPage:
        """Newest first; one more than the page is read, to know whether another follows."""
        found = await self._store.page(user_id, limit=limit + 1, before=before, search=search, include_closed=include_closed)
        items = found[:limit]
        last = MemoryPlace(created_at=items[-1].created_at, id=items[-1].id) if len(found) > limit else None
        return MemoryPage(items=items, next=last)

    async def forget(self, user_id: UUID, memory_id: UUID) -> None:
        """Delete a fact with its whole history; raise MemoryNotFound, for a memory of somebody else's too."""
        if not await self._store.delete(user_id, memory_id):
            raise MemoryNotFound

    async def forget_all(self, user_id: UUID) -> None:
        await self._store.delete_all(user_id)
