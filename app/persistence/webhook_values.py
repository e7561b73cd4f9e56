"""What leaves this package of webhooks: rows as frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What a secret is made from, with the key of the server's that has this name."""

    salt: bytes
    key_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """What a user asks for; without a session it is told of all their runs that end in one of the `statuses`."""

    id: UUID
    user_id: UUID
    url: str
    statuses: Sequence[str]
    session_id: UUID | None
    include_message: bool
    seed: Seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told when runs end; `off_reason` says why one is off: by_user, failing, gone or password_reset."""

    id: UUID
    url: str
    statuses: Sequence[str]
    session_id: UUID | None
    include_message: bool
    is_on: bool
    off_reason: str | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChange:
    """What is None stays as it is."""

    url: str | None = None
    statuses: Sequence[str] | None = None
    include_message: bool | None = None
    is_on: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One run's end told to one webhook; `tries` holds {attempt, at, http_status, ms, error}, and `next_at` is None once it is over."""

    id: UUID
    run_id: UUID
    event: str
    status: str
    attempt: int
    tries: Sequence[Mapping[str, Any]]
    next_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunDelivery:
    """A try that this process makes: where, with which secrets, and what is told.

    `failures` counts the tries before it that failed. `run` is the run as JSON has it; `said` has the user's message and the answer, where
    the webhook wants them.
    """

    id: UUID
    webhook_id: UUID
    user_id: UUID
    attempt: int
    failures: int
    event: str
    created_at: datetime
    url: str
    is_on: bool
    seeds: Sequence[Seed]
    run: Mapping[str, Any]
    said: Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a try: the receiver's status, or the code of why there is none.

    After a failure it is tried again in so many seconds, or never, where that is None. The receiver `is_gone` when it says that it is.
    """

    ok: bool
    http_status: int | None
    ms: int
    error: str | None
    again_seconds: float | None = None
    is_gone: bool = False
