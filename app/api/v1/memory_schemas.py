"""What memories answer."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from app.persistence.remembered import MemoryPlace

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Both, for memories of one job have the same moment, and ids are in no order.
CURSOR_PATTERN: Final = r"^[0-9]{1,16}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class MemoryOut(BaseModel):
    """Something the agent remembers. What is `closed_at` is no longer taken for true, and the memory `replaced_by` tells what is."""

    id: UUID
    text: Annotated[str, Field(examples=["Lives in Bergen"])]
    created_at: datetime
    closed_at: datetime | None
    replaced_by: UUID | None


class MemoryList(BaseModel):
    items: list[MemoryOut]
    next_cursor: str | None


def cursor_of(place: MemoryPlace) -> str:
    return f"{(place.created_at - _EPOCH) // _MICROSECOND}-{place.id}"


def place_of(cursor: str) -> MemoryPlace:
    """Of a cursor that has the pattern."""
    moment, _, memory_id = cursor.partition("-")
    return MemoryPlace(created_at=_EPOCH + int(moment) * _MICROSECOND, id=UUID(memory_id))
