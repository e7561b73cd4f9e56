"""Turns as a session lists them: those that wait, and those beside each other."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRun:
    """A message that waits until its session has answered the one before it."""

    run_id: UUID
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """A run that nobody has begun; `message_id` is to be its answer, and `is_held` says whether something is set aside for it."""

    message_id: UUID
    agent: str
    age_seconds: float
    is_held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One of several turns that follow the same one; `run_id` began it. `is_shown` tells whether the transcript goes through it."""

    run_id: UUID
    parent_id: UUID | None
    text: str
    created_at: datetime
    is_shown: bool
