"""What a user's rights over their data take and answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.accounts.passwords import MAX_LENGTH
from app.api.v1.text import SOUND


class Confirmation(BaseModel):
    """Who has no password, for an account elsewhere logs them in, leaves it empty and has logged in within the last ten minutes."""

    model_config = ConfigDict(extra="forbid")

    password: Annotated[str, Field(max_length=MAX_LENGTH, examples=["My-passw0rd"]), SOUND]


class ExportOut(BaseModel):
    """`bytes` is None until it is ready."""

    id: UUID
    status: Literal["being_made", "ready"]
    bytes: int | None
    created_at: datetime
    expires_at: datetime


class ReceiptOut(BaseModel):
    """What was deleted, by store; `sha256` is over all of this and the user's id."""

    id: UUID
    erased_at: datetime
    counts: Mapping[str, int]
    sha256: str
