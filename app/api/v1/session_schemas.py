"""What sessions take and answer."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.v1.text import Name
from app.persistence.values import Role, RunStatus


class NewSession(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name = ""


class RenamedSession(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[Name, Field(min_length=1)]


class SessionOut(BaseModel):
    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime


class SessionPage(BaseModel):
    items: list[SessionOut]
    next_cursor: UUID | None


class StateOut(BaseModel):
    """`live_run_id` is the run that is answering now; None when none is."""

    live_run_id: UUID | None


class ToolCallOut(BaseModel):
    """A tool the agent used; `content` is what the tool answered."""

    id: str
    name: str
    args: dict[str, Any]
    content: str
    is_error: bool


class MessageOut(BaseModel):
    id: UUID
    run_id: UUID
    role: Role
    content: str
    reasoning: str
    tool_calls: list[ToolCallOut]
    status: RunStatus
    created_at: datetime


class MessagePage(BaseModel):
    items: list[MessageOut]
    next_before: UUID | None
