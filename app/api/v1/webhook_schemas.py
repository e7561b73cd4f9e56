"""What webhooks take and answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.api.v1.text import LINE
from app.persistence.webhook_values import Webhook

EVENTS: Final = ("run.completed", "run.failed", "run.cancelled", "run.interrupted")
_PREFIX: Final = "run."

Event = Literal["run.completed", "run.failed", "run.cancelled", "run.interrupted"]
Events = Annotated[tuple[Event, ...], Field(min_length=1, max_length=len(EVENTS), examples=[["run.completed", "run.failed"]])]
# As long as an address is taken at all.
Url = Annotated[str, Field(min_length=1, max_length=2_000, examples=["https://example.com/milepost"]), LINE]


class NewWebhook(BaseModel):
    """Without a session it is told of all runs that are one's own."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    events: Events = EVENTS
    session_id: Annotated[UUID | None, Field(examples=[None])] = None
    include_message: Annotated[bool, Field(strict=True, description="Tell what was said, too", examples=[False])] = False


class WebhookPatch(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"events": ["run.failed"], "is_on": True}]})

    url: Url | None = None
    events: Events | None = None
    include_message: StrictBool | None = None
    is_on: StrictBool | None = None


class WebhookOut(BaseModel):
    """`off_reason` says why it is not on: by_user, failing (it took nothing for WEBHOOK_OFF_DAYS), gone (it answered 410) or
    password_reset (the account's password was reset by mail)."""

    id: UUID
    url: str
    events: Sequence[Event]
    session_id: UUID | None
    include_message: bool
    is_on: bool
    off_reason: Literal["by_user", "failing", "gone", "password_reset"] | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime


class SecretOut(BaseModel):
    """Shown this once."""

    secret: str


class MadeWebhook(WebhookOut):
    """With the secret, which is shown this once."""

    secret: str


class TryOut(BaseModel):
    """One try: the receiver's `http_status`, or none; the code of what went wrong, or none. Nothing of its answer is kept."""

    attempt: int
    at: datetime
    http_status: int | None
    ms: int
    error: str | None


class DeliveryOut(BaseModel):
    """`id` is the `webhook-id` that the receiver is told, the same at each try."""

    id: UUID
    run_id: UUID
    event: str
    status: Literal["waiting", "trying", "delivered", "failed"]
    attempt: int
    tries: Sequence[TryOut]
    next_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryPage(BaseModel):
    items: Sequence[DeliveryOut]
    next_before: UUID | None


def statuses_of(events: Sequence[Event]) -> list[str]:
    """Of runs that end so it is told."""
    return sorted({event.removeprefix(_PREFIX) for event in events})


def told(webhook: Webhook) -> dict[str, object]:
    """The members of WebhookOut."""
    names = ("id", "url", "session_id", "include_message", "is_on", "off_reason", "failing_since", "created_at", "updated_at")
    return {"events": [f"{_PREFIX}{status}" for status in webhook.statuses], **{name: getattr(webhook, name) for name in names}}
