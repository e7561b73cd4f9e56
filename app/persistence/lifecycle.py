"""What a user's export and erasure leave behind, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A user's data to take away; not whole as long as `bytes` is None."""

    id: UUID
    bytes: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAttempt:
    """One try at making an export."""

    export_id: UUID
    user_id: UUID
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an erasure has deleted, by store; `sha256` is over this and the user's id, which is not in it."""

    id: UUID
    erased_at: datetime
    counts: Mapping[str, int]
    sha256: str


def told(receipt_id: UUID, erased_at: datetime, counts: Mapping[str, int]) -> Mapping[str, Any]:
    """A receipt but for its hash, as JSON has it wherever it is shown."""
    return {"id": str(receipt_id), "erased_at": erased_at.isoformat().replace("+00:00", "Z"), "counts": {**counts}}
