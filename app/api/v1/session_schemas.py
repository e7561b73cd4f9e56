"""What sessions take and answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.api.v1.chat_schemas import InterruptOut
from app.api.v1.text import GivenName, Name
from app.persistence.values import Role, RunStatus


class NewSession(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name = ""


class RenamedSession(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: GivenName


class SessionOut(BaseModel):
    """Until `name_is_final`, a model may give it a better name than its first words, soon after the first answer."""

    id: UUID
    name: str
    name_is_final: bool
    created_at: datetime
    updated_at: datetime


class SessionPage(BaseModel):
    items: list[SessionOut]
    next_cursor: UUID | None


class WaitingOut(BaseModel):
    """A message that waits for its turn."""

    run_id: UUID
    text: str
    created_at: datetime


class StateOut(BaseModel):
    """`live_run_id` is the run that has the session's turn, None when none has, and `waiting` are those behind it, in order.

    `next` are the nodes of the graph that come next, `interrupts` the questions that can be answered.
    """

    live_run_id: UUID | None
    waiting: list[WaitingOut]
    next: list[str]
    interrupts: list[InterruptOut]


class BranchOut(BaseModel):
    """A turn that was said again, or the one it took the place of; `is_shown` tells which the transcript goes through."""

    run_id: UUID
    parent_id: UUID | None
    text: str
    created_at: datetime
    is_shown: bool


class ChosenBranch(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"run_id": "0198c8a6-5d5e-7c2b-9c1e-2f6f3a1b4d10"}]})

    run_id: UUID


class ToolCallOut(BaseModel):
    """A tool the agent used; `content` is what the tool answered."""

    id: str
    name: str
    args: dict[str, Any]
    content: str
    is_error: bool


class SentAttachment(BaseModel):
    """Its content is at `GET attachments/{id}`."""

    id: UUID
    name: str
    media_type: str
    bytes: int


class MessageOut(BaseModel):
    """`model` gave the answer, None for what the user said. Of the messages that are compacted the model reads a summary only."""

    id: UUID
    run_id: UUID
    role: Role
    model: str | None
    content: str
    reasoning: str
    tool_calls: list[ToolCallOut]
    status: RunStatus
    created_at: datetime
    is_compacted: bool
    attachments: list[SentAttachment]


class MessagePage(BaseModel):
    items: list[MessageOut]
    next_before: UUID | None
