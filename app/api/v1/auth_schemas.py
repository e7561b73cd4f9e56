"""What auth takes and answers."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StrictBool

from app.accounts.logins import TokenPair
from app.accounts.passwords import MAX_LENGTH, MIN_LENGTH, missing_rules
from app.accounts.refresh_tokens import PREFIX
from app.api.v1.text import SOUND, SoundText
from app.persistence.accounts import User, UserRole
from app.persistence.logins import Login


def _good_password(password: str) -> str:
    if missing := [*missing_rules(password)]:
        raise ValueError(f"must have {', '.join(missing)}")
    return password


_LONGEST_TOKEN: Final = 4096
Email = Annotated[EmailStr, Field(max_length=320, examples=["ada@example.com"])]
NewPassword = Annotated[
    SoundText,
    AfterValidator(_good_password),
    Field(
        description=f"{MIN_LENGTH} to {MAX_LENGTH} characters with an upper-case letter, a digit and a special one",
        examples=["Analytical-1"],
        json_schema_extra={"minLength": MIN_LENGTH, "maxLength": MAX_LENGTH},  # as _good_password says in its own words
    ),
]
Token = Annotated[str, Field(max_length=_LONGEST_TOKEN, examples=["eyJhbGciOiJIUzI1NiIs…"]), SOUND]
RefreshToken = Annotated[str, Field(max_length=_LONGEST_TOKEN, examples=[f"{PREFIX}AaPZ…"]), SOUND]


class Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email
    password: NewPassword


class RefreshIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: RefreshToken


class LeaveIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: RefreshToken | None = Field(None, examples=[f"{PREFIX}AaPZ…"])


class NewPasswordIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    old_password: Annotated[str, Field(max_length=MAX_LENGTH, examples=["My-passw0rd"]), SOUND]
    new_password: NewPassword


class EmailIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Email


class TokenIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: Token


class ResetIn(TokenIn):
    new_password: NewPassword


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
    email_verified: bool
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> Self:
        told = {name: getattr(user, name) for name in cls.model_fields if name != "email_verified"}
        return cls(**told, email_verified=user.email_verified_at is not None)


class TokensOut(BaseModel):
    """`expires_at` is the access token's end, `expires_in` the seconds until then; the refresh token is good for one use."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"]
    expires_in: int
    expires_at: datetime

    @classmethod
    def of(cls, pair: TokenPair) -> Self:
        seconds = round((pair.expires_at - datetime.now(UTC)).total_seconds())
        return cls(
            access_token=pair.access_token,
            refresh_token=pair.refresh_token,
            token_type="bearer",  # noqa: S106  # a kind of token
            expires_in=seconds,
            expires_at=pair.expires_at,
        )


class Registered(BaseModel):
    """No tokens where the email must be verified first."""

    user: UserOut
    tokens: TokensOut | None


class LoginOut(BaseModel):
    """A login, of a program or the page; `is_current` is the one that asks, `seen_at` is when its tokens or the page were last renewed."""

    id: UUID
    is_current: bool
    address: str | None
    user_agent: str | None
    seen_at: datetime
    created_at: datetime

    @classmethod
    def of(cls, login: Login, *, is_current: bool) -> Self:
        return cls(**asdict(login), is_current=is_current)


class LoginList(BaseModel):
    items: list[LoginOut]
