"""What sessions take and answer."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from app.agent.state import StepStatus
from app.api.v1.chat_schemas import InterruptOut
from app.api.v1.text import LINE, GivenName, Name, PlainValue
from app.persistence.values import Role, RunStatus

Config = Annotated[
    dict[str, PlainValue], Field(max_length=100, description="As the agent's `config_schema` says", examples=[{"temperature": 0.2}])
]


class NewSession(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Trip to Oslo"}]})

    name: Name = ""
    remembers: Annotated[StrictBool | None, Field(description="Whether memories are used and made in it; true unless it is temporary")] = (
        None
    )
    temporary: Annotated[StrictBool, Field(description="Nothing of it is remembered, nor kept after its end")] = False
    agent: Annotated[str, Field(max_length=64, description="One of `GET agents`; it stays the session's"), LINE] = "assistant"
    config: Config = {}

    @model_validator(mode="after")
    def _is_forgotten(self) -> Self:
        if self.temporary and self.remembers:
            raise ValueError("a temporary session is never remembered")
        return self


class SessionChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Trip to Oslo", "remembers": True}]})

    name: GivenName | None = None
    remembers: StrictBool | None = None
    config: Config | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.name is None and self.remembers is None and self.config is None:
            raise ValueError("must say what is to change: `name`, `remembers` or `config`")
        return self


class SessionOut(BaseModel):
    """Until `name_is_final`, a model may give it a better name than its first words, soon after the first answer.

    Unless it `remembers`, memories are neither used nor made in it. One that is `temporary` is deleted, with all there is
    of it, at `ends_at` if nothing more is said until then. `config` is what was set of its agent, in the version that holds from the
    next message on; 0 is none.
    """

    id: UUID
    name: str
    name_is_final: bool
    remembers: bool
    temporary: bool
    agent: str
    config: dict[str, Any]
    config_version: int
    ends_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ConfigOut(BaseModel):
    """What was set of the session's agent, from this version on."""

    version: int
    config: dict[str, Any]
    created_at: datetime


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


class StepOut(BaseModel):
    """A step of an agent that is several, as its last `step` event told it; the same `namespace` is the same step."""

    agent: str
    node: str
    namespace: str
    status: StepStatus
    title: str
    content: dict[str, Any]


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
    steps: list[StepOut]
    status: RunStatus
    created_at: datetime
    is_compacted: bool
    attachments: list[SentAttachment]


class MessagePage(BaseModel):
    items: list[MessageOut]
    next_before: UUID | None
