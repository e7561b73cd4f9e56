"""What auth takes and answers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field

from app.accounts.passwords import MAX_LENGTH, MIN_LENGTH, missing_rules
from app.api.v1.text import SoundText
from app.persistence.accounts import UserRole


def _good_password(password: str) -> str:
    if missing := [*missing_rules(password)]:
        raise ValueError(f"must have {', '.join(missing)}")
    return password


class Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Annotated[EmailStr, Field(max_length=320, examples=["ada@example.com"])]
    password: Annotated[
        SoundText,
        AfterValidator(_good_password),
        Field(
            description=f"{MIN_LENGTH} to {MAX_LENGTH} characters with an upper-case letter, a digit and a special one",
            examples=["Analytical-1"],
        ),
    ]


class UserChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"remembers": True}]})

    remembers: bool


class UserOut(BaseModel):
    """Unless the user `remembers`, memories are neither used nor made; those there are stay."""

    id: UUID
    email: str
    remembers: bool
    role: UserRole
    tier: str
    created_at: datetime


class TokensOut(BaseModel):
    access_token: str
    token_type: Literal["bearer"]
    expires_at: datetime


class Registered(BaseModel):
    user: UserOut
    tokens: TokensOut
