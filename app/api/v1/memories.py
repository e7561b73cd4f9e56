"""What the agent remembers of its user: theirs to see and to delete."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.api.deps import CurrentUser, MemoriesDep
from app.api.errors import problems
from app.api.v1.memory_schemas import CURSOR_PATTERN, MemoryList, MemoryOut, cursor_of, place_of
from app.api.v1.text import SOUND
from app.errors import MemoryNotFound

router = APIRouter()


@router.get("")
async def list_memories(
    user: CurrentUser,
    memories: MemoriesDep,
    *,
    limit: Annotated[int, Query(ge=1, le=100, description="Most items of a page")] = 20,
    cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN, description="`next_cursor` of the page before")] = None,
    q: Annotated[str, Query(max_length=200, description="Part of a memory's text, in any case"), SOUND] = "",
    include_closed: Annotated[bool, Query(description="Also those that a newer fact has replaced")] = False,
) -> MemoryList:
    """What is remembered of oneself, newest first."""
    before = place_of(cursor) if cursor else None
    page = await memories.page(user.id, limit=limit, before=before, search=q, include_closed=include_closed)
    items = [MemoryOut.model_validate(memory, from_attributes=True) for memory in page.items]
    return MemoryList(items=items, next_cursor=cursor_of(page.next) if page.next else None)


@router.delete("/{memory_id}", status_code=204, responses=problems(MemoryNotFound))
async def delete_memory(memory_id: UUID, user: CurrentUser, memories: MemoriesDep) -> None:
    """Forget a fact with its whole history: the memory, those it replaced, and those that replaced it."""
    await memories.forget(user.id, memory_id)


@router.delete("", status_code=204)
async def delete_memories(user: CurrentUser, memories: MemoriesDep) -> None:
    """Forget all that is remembered of oneself."""
    await memories.forget_all(user.id)
