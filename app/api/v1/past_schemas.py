"""What is told of checkpoints, and what a run that goes on from one takes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.v1.chat_schemas import ModelName, OnDisconnect
from app.api.v1.text import MessageText


class CheckpointOut(BaseModel):
    """What the agent knew at the end of a step of `run_id`, and the nodes that come `next`. Where a run ended, a message can be said."""

    id: UUID
    parent_id: UUID | None
    run_id: UUID
    created_at: datetime
    step: int
    next: list[str]
    message_count: int
    ends_run: bool


class CheckpointPageOut(BaseModel):
    items: list[CheckpointOut]
    next_before: UUID | None


class StoredMessage(BaseModel):
    """A message as the model reads it; an assistant's has `tool_calls`, a tool's the id of its call, its name, and whether it failed."""

    id: str | None
    role: str
    content: str
    tool_calls: list[dict[str, Any]]
    tool_call_id: str | None
    name: str | None
    is_error: bool


class CheckpointStateOut(CheckpointOut):
    """`summary` tells of what came before those that the model still reads, and `values` is what else
    the agent keeps.
    """

    messages: list[StoredMessage]
    summary: str
    values: dict[str, Any]


class ReplayIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"checkpoint_id": "1f0c0e5a-7d3e-6a3c-8000-5c2b1d0e9f77", "message": "And in Bergen?"}]},
    )

    checkpoint_id: UUID
    message: MessageText | None = Field(
        None, description="What is said there, where a run has ended; without one the agent goes on from the checkpoint by itself"
    )
    model: ModelName | None = None
    on_disconnect: OnDisconnect = "continue"
