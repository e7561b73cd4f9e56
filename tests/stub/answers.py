"""What the stub can be told to answer: frozen values here, JSON on the way to its process."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import Base64Bytes, Field, TypeAdapter

MAX_SECONDS: Final = 60.0
MAX_TIMES: Final = 1_000

Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Times = Annotated[int, Field(ge=1, le=MAX_TIMES)]

# How a stream ends: as it should · silent until the client goes · TCP reset · closed in mid-body · a body that ends neatly, but without
# finish_reason and [DONE] · an error object · a data line that is no JSON.
Ending = Literal["done", "hang", "reset", "close", "truncate", "error", "not_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scripted:
    """Answer `times` requests; with `when`, only those whose last user message contains it."""

    when: str = ""
    times: Times = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streamed(_Scripted):
    """Pause between deltas, and come to the `ending` after so many of them (None: after all)."""

    seconds_between: Seconds = 0
    ending: Ending = "done"
    after: Annotated[int, Field(ge=0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(_Streamed):
    """Say `content` word by word, or exactly these `pieces`; `reasoning` comes first, as reasoning_content."""

    kind: Literal["text"] = "text"
    content: str = field(default="", kw_only=False)
    pieces: Sequence[str] = ()
    reasoning: str = ""
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """Arguments may be a string, so that a model can be scripted that writes broken JSON."""

    name: str = field(kw_only=False)
    args: Mapping[str, Any] | str = field(default_factory=dict, kw_only=False)
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalls(_Streamed):
    """Ask for tools, all at once, each call's arguments split over `argument_pieces` chunks, after what it thought and said."""

    kind: Literal["tool_calls"] = "tool_calls"
    calls: Sequence[ToolCall] = field(kw_only=False)
    content: str = ""
    reasoning: str = ""
    argument_pieces: Annotated[int, Field(ge=1, le=100)] = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(_Streamed):
    kind: Literal["refusal"] = "refusal"
    content: str = field(kw_only=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpError(_Scripted):
    """Refuse before the first byte, in OpenAI's form of an error."""

    kind: Literal["http_error"] = "http_error"
    status: Annotated[int, Field(ge=400, le=599)] = field(kw_only=False)
    message: str = "The stub was told to fail."
    code: str | None = None
    retry_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang(_Scripted):
    """Never answer, not even with headers."""

    kind: Literal["hang"] = "hang"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw(_Scripted):
    """Send exactly these bytes as the body of a 200, one TCP write each, then close."""

    kind: Literal["raw"] = "raw"
    pieces: Sequence[Base64Bytes] = field(kw_only=False)
    content_type: str = "text/event-stream"
    seconds_between: Seconds = 0


type Streamed = Text | ToolCalls | Refusal
type Answer = Streamed | HttpError | Hang | Raw

ANSWERS: Final[TypeAdapter[list[Answer]]] = TypeAdapter(
    list[Annotated[Text | ToolCalls | Refusal | HttpError | Hang | Raw, Field(discriminator="kind")]]
)


def words(text: str) -> tuple[str, ...]:
    """Cut a text into words that each keep their white space, so that joining them gives the text back."""
    return tuple(re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text))
