"""What is said of API keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from app.accounts.passwords import MAX_LENGTH
from app.api.v1.text import LINE, SOUND
from app.persistence.credentials import Scope

KeyName = Annotated[str, Field(min_length=1, max_length=100, examples=["Nightly report"]), LINE]


def _some(scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    if not scopes:
        raise ValueError(f"must name at least one of {', '.join(Scope)}")
    return scopes


class NewApiKeyIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Nightly report", "scopes": ["read"], "expires_at": None}]}
    )

    name: KeyName
    scopes: Annotated[
        tuple[Scope, ...],
        Field(
            max_length=len(Scope),
            description="read: every GET; chat: read, and all of conversations; admin",
            json_schema_extra={"minItems": 1},
        ),
        # Not pydantic's own bound: of one scope that there is not, it would say that there is none at all.
        AfterValidator(_some),
    ]
    expires_at: Annotated[AwareDatetime | None, Field(description="From when on it is no longer good; null is never")] = None
    password: Annotated[
        Annotated[str, Field(max_length=MAX_LENGTH), SOUND] | None,
        Field(description="One's own; needed ten minutes after logging in"),
    ] = None


class ApiKeyOut(BaseModel):
    """`start` are its first characters; `last_used_at` is exact to the minute."""

    id: UUID
    name: str
    start: str
    scopes: Sequence[Scope]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class MadeApiKey(ApiKeyOut):
    """The only answer that has the `key` itself."""

    key: Annotated[str, Field(examples=["mp_…"])]


class ApiKeyList(BaseModel):
    items: Sequence[ApiKeyOut]
