"""What leaves this package: rows as frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: UUID
    email: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One entry of a transcript; `tool_calls` holds {id, name, args, content, is_error} in the order they were made."""

    id: UUID
    run_id: UUID
    role: Role
    content: str
    reasoning: str
    tool_calls: Sequence[Mapping[str, Any]]
    status: RunStatus
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What one user message asks for; `title` names a session that has no name yet."""

    id: UUID
    session_id: UUID
    user_id: UUID
    asked_id: UUID
    message_id: UUID
    model: str
    text: str
    title: str
    idempotency_key: str | None = None
    body_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as its row tells."""

    id: UUID
    session_id: UUID
    user_id: UUID
    status: RunStatus
    attempt: int
    model: str
    asked_id: UUID
    message_id: UUID
    body_hash: str
    error_code: str | None
    input_tokens: int
    output_tokens: int
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenRun:
    """A run that this process holds, with what it takes to make its attempt."""

    id: UUID
    session_id: UUID
    attempt: int
    model: str
    asked_id: UUID
    message_id: UUID
    user: User
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in its place: numbered within its run, its JSON as it goes over the wire."""

    sequence: int
    type: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """Consecutive events of one attempt."""

    run_id: UUID
    attempt: int
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """How a run ended, with the assistant's side of the transcript."""

    id: UUID
    attempt: int
    message_id: UUID
    status: RunStatus
    error_code: str | None = None
    content: str = ""
    reasoning: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    input_tokens: int = 0
    output_tokens: int = 0
    events: Sequence[Entry] = ()
