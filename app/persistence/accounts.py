"""Who a user is to the server, and by what they prove it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID


class UserRole(StrEnum):
    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Unless they let it, nothing is remembered of them, and what was is not used."""

    id: UUID
    email: str
    remembers: bool
    role: UserRole
    tier: str
    created_at: datetime
    email_verified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a token proves by itself. Whether it still holds is in the database, and is asked with the first thing that is read for it."""

    user_id: UUID
    login_id: UUID

    @property
    def values(self) -> Mapping[str, UUID]:
        return {"user_id": self.user_id, "login_id": self.login_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request comes from; no address for what comes over a socket file."""

    address: str | None
    user_agent: str | None


# One spelling for all statements that read a whole user.
USER_COLUMNS: Final = '"user".id, "user".email, "user".remembers, "user".role, "user".tier, "user".email_verified_at, "user".created_at'
# The same where they stand beside other columns.
OWNER_COLUMNS: Final = (
    '"user".id AS user_id, "user".email AS user_email, "user".remembers AS user_remembers, "user".role AS user_role, '
    '"user".tier AS user_tier, "user".email_verified_at AS user_email_verified_at, "user".created_at AS user_created_at'
)
