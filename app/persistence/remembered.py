"""What leaves this package of memories: rows as frozen values."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow:
    """A fact about a user; once it is no longer true it is closed, and may have been `replaced_by` a newer one."""

    id: UUID
    text: str
    created_at: datetime
    closed_at: datetime | None
    replaced_by: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlace:
    """A place in the list of a user's memories, which stays where it is when the memory there is deleted."""

    created_at: datetime
    id: UUID
