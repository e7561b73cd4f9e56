"""A call of a model: what it is for, who hears it, and what it came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import TypeAdapter

from app import signals

_NOTE: Final = "milepost_call"
_MILLISECONDS: Final = 1_000


class Purpose(StrEnum):
    """What a call is for; the ledger tells what each costs. A step is one of an agent that is several, on the way to its answer."""

    ANSWER = "answer"
    NAMING = "naming"
    MEMORY = "memory"
    SUMMARY = "summary"
    JUDGE = "judge"
    STEP = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call, for the ledger; `cost_usd` is None where the price is not known.

    Cached tokens are among the input's, reasoning tokens among the output's. Times are in milliseconds.
    """

    id: UUID
    model: str
    purpose: Purpose
    started_at: datetime
    latency_ms: int
    first_token_ms: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None
    from_cache: bool = False
    error_code: str | None = None


class Hearer(Protocol):
    """Hears a model speak; called on the event loop for every token, so it must return at once."""

    def token(self, content: str) -> None: ...
    def reasoning(self, content: str) -> None: ...

    def answer_begins(self) -> None:
        """What the model says from here on may yet be taken back."""
        ...

    def answer_taken_back(self, reason: str) -> None:
        """Forget what was said since the answer began: another try follows."""
        ...

    def called(self, call: ModelCall) -> None:
        """A call has ended, be it in an error."""
        ...


def tell(call: ModelCall) -> None:
    """Let watchers know of a call that has just ended, which is done where each is made, and once."""
    signals.model_called(
        model=call.model,
        purpose=call.purpose.value,
        error=call.error_code or "",
        seconds=call.latency_ms / _MILLISECONDS,
        first_token_seconds=None if call.first_token_ms is None else call.first_token_ms / _MILLISECONDS,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cached_tokens=call.cached_tokens,
        reasoning_tokens=call.reasoning_tokens,
        cost_usd=call.cost_usd,
        from_cache=call.from_cache,
    )


class CallWatch(Protocol):
    """Sees each call when it is over; it must return at once and raise nothing."""

    def called(self, call: ModelCall, prompt: Sequence[BaseMessage], answer: AIMessage | None) -> None:
        """There is no `answer` where the call failed before it had a whole one."""
        ...


def note(answer: AIMessage, call: ModelCall) -> None:
    """Write the account into the answer, so that who finds it in a checkpoint can give it again."""
    answer.response_metadata[_NOTE] = _CALL.dump_python(call, mode="json", exclude_defaults=True)


def noted(answer: AIMessage) -> ModelCall | None:
    """The account of the call that gave this answer."""
    return read_account(written) if (written := account(answer)) else None


def account(answer: AIMessage) -> Any:  # noqa: ANN401  # plain values
    """The same as it is written, for a state that keeps it without the answer."""
    return answer.response_metadata.get(_NOTE)


def read_account(written: Any) -> ModelCall:  # noqa: ANN401
    return _CALL.validate_python(written)


_CALL: Final = TypeAdapter(ModelCall)
