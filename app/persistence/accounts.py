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


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a token proves by itself. Whether it still holds is in the database, and is asked with the first thing that is read for it."""

    user_id: UUID
    login_id: UUID

    @property
    def values(self) -> Mapping[str, UUID]:
        return {"user_id": self.user_id, "login_id": self.login_id}


# One spelling for all statements that read a whole user.
USER_COLUMNS: Final = '"user".id, "user".email, "user".remembers, "user".role, "user".tier, "user".created_at'
# The same where they stand beside other columns.
OWNER_COLUMNS: Final = (
    '"user".id AS user_id, "user".email AS user_email, "user".remembers AS user_remembers, "user".role AS user_role, '
    '"user".tier AS user_tier, "user".created_at AS user_created_at'
)
