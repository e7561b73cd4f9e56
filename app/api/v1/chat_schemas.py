"""What chat takes and answers."""

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.v1.text import MessageText, SoundText
from app.persistence.values import RunStatus
from app.runs.turns import OnBusy

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
    SoundText,
    Field(min_length=1, max_length=200, description="Sent again with the same body, it means the same run", examples=["5f1c2a90"]),
]


class AskIn(BaseModel):
    # One example of the whole, for Swagger would fill in a model that this server may not have.
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"message": "What time is it in Oslo?"}]})

    message: MessageText
    model: Annotated[SoundText, Field(max_length=200, description="One of `GET models`; none is the default", examples=["demo"])] | None = (
        None
    )
    on_busy: OnBusy = Field(
        OnBusy.REJECT, description="While the session answers another message: refuse this one, or stop that answer first"
    )
    on_disconnect: Literal["continue", "cancel"] = Field("continue", description="What a stream's hang-up means for the run")


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
    interrupts: list[object]
