"""What clients of earlier servers send, and what they read."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.api.v1.chat_schemas import AnswerOut, AskIn, ModelName
from app.api.v1.text import LINE, MessageText
from app.persistence.values import Role, RunStatus

_MOST_MESSAGES: Final = 1000
_LONGEST_ANSWER: Final = 1_000_000


class SaidByUser(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "human"]
    content: MessageText


class SaidByOthers(BaseModel):
    """Not read, so an answer may be empty, or longer than a message."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["assistant", "ai", "system", "tool"]
    content: Annotated[str, Field(max_length=_LONGEST_ANSWER)]


class MessageIn(BaseModel):
    """`message`, or without it the last of `messages` that is the user's: what was said before, the session knows."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"message": "What time is it in Oslo?"}]})

    message: MessageText | None = None
    messages: Annotated[list[Annotated[SaidByUser | SaidByOthers, Field(discriminator="role")]], Field(max_length=_MOST_MESSAGES)] = []
    model: ModelName | None = None
    user_id: Annotated[str, Field(max_length=200, description="Not used: the token says who asks"), LINE] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.message is None and not self._of_user():
            raise PydanticCustomError("message", "give a message, or messages of which one is the user's")
        return self

    def as_v1(self) -> AskIn:
        return AskIn(message=self.message if self.message is not None else self._of_user()[-1], model=self.model)

    def _of_user(self) -> list[str]:
        return [said.content for said in self.messages if isinstance(said, SaidByUser)]


class _Named(BaseModel):
    """A session by either of its names."""

    session_id: UUID | None = None
    thread_id: UUID | None = Field(None, description="Another name of `session_id`")

    @model_validator(mode="after")
    def _is_one_session(self) -> Self:
        if self.session_id and self.thread_id and self.session_id != self.thread_id:
            raise PydanticCustomError("session_id", "session_id and thread_id name two sessions")
        return self

    @property
    def named(self) -> UUID | None:
        return self.session_id or self.thread_id


class ChatIn(_Named, MessageIn):
    """Without a `session_id` or `thread_id` a session is opened, and the reply says which."""


class HistoryIn(_Named):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"session_id": "0198c8a6-5d5e-7c2b-9c1e-2f6f3a1b4d10"}]})

    limit: Annotated[int, Field(ge=1, le=100, description="Most messages, of the latest")] = 100
    before: UUID | None = Field(None, description="`next_before` of the page after")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if not self.named:
            raise PydanticCustomError("session_id", "name a session, by session_id or thread_id")
        return self


class SaidOut(BaseModel):
    """`type` is what LangChain calls the `role`."""

    id: UUID
    run_id: UUID
    role: Role
    type: Literal["human", "ai"]
    content: str
    status: RunStatus
    created_at: datetime


class PlainSaid(BaseModel):
    role: Role
    content: str


class ChatOut(AnswerOut):
    """Version 1's reply, the session under both its names, and the answer's text where earlier servers had it.

    `response` and `content` are the answer, `messages` what was asked and answered.
    """

    session_id: UUID
    thread_id: UUID
    type: Literal["ai"] = "ai"
    content: str
    response: str
    messages: list[PlainSaid]


class HistoryOut(BaseModel):
    """The latest messages, oldest first; `next_before` asks for those before them."""

    session_id: UUID
    thread_id: UUID
    messages: list[SaidOut]
    next_before: UUID | None
