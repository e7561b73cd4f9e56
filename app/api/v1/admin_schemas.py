"""What administration takes and answers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.v1.text import SOUND
from app.persistence.accounts import UserRole

TierName = Annotated[str, Field(min_length=1, max_length=64), SOUND]


class AccountOut(BaseModel):
    """`disabled_at` is since when they may not come in, None for who may."""

    id: UUID
    email: str
    role: UserRole
    tier: str
    disabled_at: datetime | None
    created_at: datetime


class AccountPage(BaseModel):
    items: Sequence[AccountOut]
    next_cursor: UUID | None


class AccountChangeIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"tier": "pro"}]})

    role: UserRole | None = None
    tier: TierName | None = None
    disabled: Annotated[bool | None, Field(strict=True)] = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.role is None and self.tier is None and self.disabled is None:
            raise ValueError("must name a role, a tier or disabled")
        return self


class RevokedOut(BaseModel):
    """How many were ended."""

    logins: int
    api_keys: int


class AuditEntryOut(BaseModel):
    """`user_id` is whom it is about, `actor_id` who did it; None where nobody did, or the account is no more."""

    id: UUID
    event: str
    user_id: UUID | None
    actor_id: UUID | None
    address: str | None
    details: Mapping[str, Any]
    created_at: datetime


class AuditPage(BaseModel):
    items: Sequence[AuditEntryOut]
    next_cursor: UUID | None
