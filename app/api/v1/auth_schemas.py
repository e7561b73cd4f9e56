"""What auth takes and answers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StrictBool

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
            json_schema_extra={"minLength": MIN_LENGTH, "maxLength": MAX_LENGTH},  # as _good_password says in its own words
        ),
    ]


class LoginForm(BaseModel):
    """OAuth 2's password form (RFC 6749, 4.3.2), with what clients send beside it, which is not looked at."""

    model_config = ConfigDict(extra="forbid")

    # What cannot be one's email or password is as wrong as another's would be.
    username: Annotated[str, Field(max_length=320, examples=["ada@example.com"])]
    password: Annotated[str, Field(max_length=MAX_LENGTH, examples=["Analytical-1"], json_schema_extra={"format": "password"})]
    grant_type: Literal["password"] | None = None
    scope: Annotated[str, Field(max_length=200)] = ""
    client_id: Annotated[str, Field(max_length=200)] | None = None
    client_secret: Annotated[str, Field(max_length=200, json_schema_extra={"format": "password"})] | None = None


class UserChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"remembers": True}]})

    remembers: StrictBool


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
