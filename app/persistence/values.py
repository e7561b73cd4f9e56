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
    message_id: UUID
    model: str
    text: str
    title: str


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
