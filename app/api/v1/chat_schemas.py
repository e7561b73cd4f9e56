"""What chat takes and answers."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from app.api.v1.text import LINE, MessageText, PlainValue
from app.persistence.values import RunStatus
from app.runs.asking import OnBusy

STREAM_EXAMPLE: Final = """\
id: 1
event: start
data: {"run_id":"0198…","session_id":"0198…"}

id: 2
event: token
data: {"content":"It is ","done":false}

id: 3
event: usage
data: {"input_tokens":12,"output_tokens":3,"total_tokens":15,"cost_usd":null,"model":"demo", …}

id: 4
event: end
data: {"status":"completed","message_id":"0198…","content":"","done":true}
"""


IdempotencyKey = Annotated[
    str,
    Field(min_length=1, max_length=200, description="Sent again with the same body, it means the same run", examples=["5f1c2a90"]),
    LINE,
]
MAX_ATTACHMENTS: Final = 10
InterruptId = Annotated[str, Field(min_length=1, max_length=64), LINE]


OnDisconnect = Annotated[Literal["continue", "cancel"], Field(description="What a stream's hang-up means for the run")]
ModelName = Annotated[str, Field(max_length=200, description="One of `GET models`; none is the default", examples=["demo"]), LINE]


class AskIn(BaseModel):
    # One example of the whole, for Swagger would fill in a model that this server may not have.
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"message": "What time is it in Oslo?"}]})

    message: MessageText
    model: ModelName | None = None
    attachments: Annotated[list[UUID], Field(max_length=MAX_ATTACHMENTS)] | None = Field(
        None, description="Ids of `POST attachments`, to be sent with it; left out in an edit, it keeps those that the message had"
    )
    instead_of: UUID | None = Field(
        None, description="A message of the transcript in whose place this one is said; what followed it becomes another branch"
    )
    on_busy: OnBusy = Field(
        OnBusy.REJECT,
        description=(
            "While the session answers another message: refuse this one, wait behind it, stop it and keep what it said, or stop it and "
            "undo its turn"
        ),
    )
    on_disconnect: OnDisconnect = "continue"
    cache: StrictBool = Field(
        False, description="Whether an answer given to this user before, to the very same prompt, will do; the server must keep answers"
    )

    @model_validator(mode="after")
    def _does_not_wait_elsewhere(self) -> Self:
        if self.instead_of and self.on_busy is OnBusy.ENQUEUE:
            raise PydanticCustomError("on_busy", "a message in the place of another cannot wait: what it follows is settled")
        return self


class AgainIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    message_id: UUID | None = Field(None, description="A message of the turn to answer again; none is the last one")
    model: ModelName | None = None
    on_busy: Literal[OnBusy.REJECT, OnBusy.INTERRUPT, OnBusy.ROLLBACK] = Field(
        OnBusy.REJECT, description="While the session answers: refuse, stop it and keep what it said, or stop it and undo its turn"
    )
    on_disconnect: OnDisconnect = "continue"


class OneReply(BaseModel):
    model_config = ConfigDict(extra="forbid")

    interrupt_id: InterruptId
    value: PlainValue = Field(description="As the question's schema asks")


class ReplyIn(BaseModel):
    """One answer as `interrupt_id` and `value`, or several at once in `answers`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"interrupt_id": "0a1b…", "value": {"approved": True}}]})

    interrupt_id: InterruptId | None = None
    value: PlainValue = None
    answers: Annotated[list[OneReply], Field(max_length=100)] = []
    on_disconnect: OnDisconnect = "continue"

    @model_validator(mode="after")
    def _answers_something(self) -> Self:
        named = [reply.interrupt_id for reply in self.answers]
        if bool(named) == bool(self.interrupt_id) or len({*named}) < len(named):
            raise PydanticCustomError("answers", "give either interrupt_id and value, or answers to different interrupts")
        return self

    def by_id(self) -> dict[str, Any]:
        one = {self.interrupt_id: self.value} if self.interrupt_id else {}
        return one | {reply.interrupt_id: reply.value for reply in self.answers}


class InterruptOut(BaseModel):
    """A question to a person; `schema` is the JSON Schema of an answer."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    value: Any
    answer_schema: dict[str, Any] = Field(alias="schema")
    expires_at: datetime


class AnswerMessage(BaseModel):
    id: UUID
    role: Literal["assistant"]
    content: str
    reasoning: str


class Usage(BaseModel):
    """`cost_usd` is None where the model's price is not known."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    cost_usd: float | None
    model: str


class AnswerOut(BaseModel):
    run_id: UUID
    message: AnswerMessage
    usage: Usage
    tokens_used: int
    from_cache: bool
    status: RunStatus
    interrupts: list[InterruptOut]
