"""What can happen in a run, as a closed union, and the bytes each event is for ever.

The wire's `data:` is these bytes, so a replay equals what the first reader saw. Fields are named as clients read them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

import orjson

from app.agent.origin import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    type: ClassVar[str] = "start"
    run_id: str
    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    type: ClassVar[str] = "memory"
    memories: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    type: ClassVar[str] = "token"
    content: str
    done: Literal[False] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    type: ClassVar[str] = "reasoning"
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled:
    type: ClassVar[str] = "tool_call"
    id: str
    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswered:
    type: ClassVar[str] = "tool_result"
    id: str
    name: str
    content: str
    is_error: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """A step of an agent that is several begins or ends; `content` is JSON."""

    type: ClassVar[str] = "step"
    status: Literal["begun", "done", "failed"]
    title: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A question to a person; `schema` is the JSON Schema of an answer, `expires_at` in ISO 8601."""

    type: ClassVar[str] = "interrupt"
    id: str
    value: Any
    schema: Mapping[str, Any]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """The whole run's tokens; `cost_usd` is None where the price is not known."""

    type: ClassVar[str] = "usage"
    input_tokens: int
    output_tokens: int
    total_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    cost_usd: float | None
    model: str
    from_cache: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaPassed:
    """With this run, `percent` of a quota are used: 80, or 100 and more; `name` says which, in tokens or dollars."""

    type: ClassVar[str] = "quota"
    tier: str
    name: str
    period: Literal["day", "month"]
    percent: int
    limit: float
    used: float
    resets_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Throw away what this answer showed so far: it is told again from its beginning."""

    type: ClassVar[str] = "reset"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """`retry_after` is in seconds, None where nobody said how long to wait."""

    type: ClassVar[str] = "error"
    code: str
    detail: str
    retryable: bool
    retry_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    type: ClassVar[str] = "end"
    status: str
    message_id: str
    content: Literal[""] = ""
    done: Literal[True] = True


type RunEvent = (
    Started
    | Reset
    | Remembered
    | Token
    | Reasoning
    | ToolCalled
    | ToolAnswered
    | Stepped
    | Interrupted
    | Used
    | QuotaPassed
    | Failed
    | Ended
)


@dataclass(frozen=True, slots=True)
class Located:
    """An event of a step of an agent that is several: the same with `agent`, `node` and `namespace` after its own fields."""

    event: RunEvent
    origin: Origin

    @property
    def type(self) -> str:
        return self.event.type


def encode(event: RunEvent | Located) -> bytes:
    """The event's JSON object on one line."""
    if isinstance(event, Located):
        return encode(event.event)[:-1] + b"," + orjson.dumps(event.origin)[1:]
    try:
        # A copy, for orjson leaves what it writes in a block of four kilobytes, and an event is kept as long as its run is made.
        return b"%b" % orjson.dumps(event, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:  # a number past 64 bits in a tool's arguments, say
        return json.dumps(asdict(event), default=_plain).encode()


def _plain(value: object) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
