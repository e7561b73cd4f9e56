"""Runs as traces: one for each run, whose id is the run's, so that whatever comes later finds it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID

import orjson
from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables.config import var_child_runnable_config

from app.crashes import log_crash
from app.observability.traces.graph_handler import GraphHandler
from app.observability.traces.said import answer_said, cut, prompt_said, value_said
from app.observability.traces.span import Attribute, Kind, Span, characters_of

_MILLION: Final = 1_000_000
_THOUSANDTH: Final = 1_000
# The last bits of an id are random, whichever kind of UUID it is.
_CHANCES: Final = 1 << 32


@contextmanager
def _harmless() -> Iterator[None]:
    """A trace is no reason for a turn to fail."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        log_crash("trace_crashed", error)


class Outlet(Protocol):
    """Takes spans that are over."""

    def put(self, span: Span) -> None: ...


class Call(Protocol):
    """What a call of a model came to."""

    @property
    def model(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def latency_ms(self) -> int: ...
    @property
    def first_token_ms(self) -> int | None: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...
    @property
    def reasoning_tokens(self) -> int: ...
    @property
    def cost_usd(self) -> float | None: ...
    @property
    def from_cache(self) -> bool: ...
    @property
    def error_code(self) -> str | None: ...


class Recaller(Protocol):
    async def recall(self, user_id: str, query: str) -> Sequence[str]: ...


def is_sampled(run_id: UUID, rate: float) -> bool:
    """The same for all attempts at a run, in whichever process, and for what is said of it later."""
    return run_id.int % _CHANCES < rate * _CHANCES


class TracedRuns:
    """Begins the trace of each attempt at a run."""

    def __init__(self, outlets: Sequence[Outlet], *, rate: float, text: bool, environment: str, release: str) -> None:
        self._outlets = outlets
        self._rate = rate
        self._text = text
        self._environment = environment
        self._release = release

    def begin(self, *, run_id: UUID, session_id: UUID, user_id: UUID, agent: str, tier: str, attempt: int, said: str) -> "TracedRun | None":
        """None for a run that is not among those that are traced."""
        if not is_sampled(run_id, self._rate):
            return None
        about = {"agent": agent, "tier": tier, "environment": self._environment, "release": self._release}
        shared: dict[str, Attribute] = {
            "user.id": str(user_id),
            "session.id": str(session_id),
            "gen_ai.conversation.id": str(session_id),
            "langfuse.trace.name": agent,
            "langfuse.trace.tags": tuple(f"{name}:{value}" for name, value in about.items()),
            "langfuse.environment": self._environment,
            "langfuse.release": self._release,
        }
        root = Span(trace_id=run_id, user_id=user_id, name=agent, kind=Kind.AGENT, shared=shared)
        root.attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent, **_noted(attempt=attempt)}
        root.asked = cut(said) if self._text and said else None
        return TracedRun(root, self._outlets, text=self._text)


class TracedRun:
    """The spans of one attempt, each handed on when it is over."""

    def __init__(self, root: Span, outlets: Sequence[Outlet], *, text: bool) -> None:
        self.id = root.trace_id.hex
        self.root = root
        self._outlets = outlets
        self._text = text
        self._graph = GraphHandler(self)
        self.callbacks = (self._graph,)

    def open(self, name: str, kind: Kind, parent: Span, asked: object = None) -> Span:
        shared, told = self.root.shared, value_said(asked) if self._text and asked is not None else None
        span = Span(
            trace_id=self.root.trace_id, user_id=self.root.user_id, name=name, kind=kind, shared=shared, parent=parent.id, asked=told
        )
        if kind is Kind.TOOL:
            span.attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        return span

    def close(self, span: Span, error: str = "", answered: object = None) -> None:
        span.ended_ns, span.error = span.ended_ns or time.time_ns(), error
        if self._text and answered is not None:
            span.answered = value_said(answered)
        span.characters = characters_of(span.asked) + characters_of(span.answered)
        for outlet in self._outlets:
            outlet.put(span)

    def called(self, call: Call, prompt: Sequence[BaseMessage], answer: AIMessage | None) -> None:
        """A call of a model is over: where it was made is known from LangChain's context."""
        with _harmless():
            self.close(self._call(call, prompt, answer), call.error_code or "")

    def recalling[Recall: Recaller](self, memory: Recall) -> "Recall | Recalling":
        return Recalling(memory, self)

    def recalled(self, begun_ns: int, query: str, found: Sequence[str] | None) -> None:
        """`found` is None where it was given up."""
        with _harmless():
            span = self.open("recall", Kind.RECALL, self._here(), query)
            span.begun_ns, span.attributes = begun_ns, _noted(memories=len(found or ()))
            self.close(span, "" if found is not None else "cancelled", found)

    def ended(self, outcome: str, error: str, answer: str) -> None:
        """Once; what comes later is nobody's."""
        if self.root.ended_ns:
            return
        self.root.attributes |= _noted(outcome=outcome)
        self.close(self.root, error, answer or None)

    def _here(self) -> Span:
        callbacks = (var_child_runnable_config.get() or {}).get("callbacks")
        return self._graph.place(callbacks.parent_run_id) if isinstance(callbacks, BaseCallbackManager) else self.root

    def _call(self, call: Call, prompt: Sequence[BaseMessage], answer: AIMessage | None) -> Span:
        span = self.open(str(call.purpose), Kind.MODEL, self._here())
        span.begun_ns = round(call.started_at.timestamp() * _MILLION) * _THOUSANDTH
        span.ended_ns = span.begun_ns + call.latency_ms * _MILLION
        span.attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": call.model,
            "gen_ai.usage.input_tokens": call.input_tokens,
            "gen_ai.usage.output_tokens": call.output_tokens,
            "langfuse.observation.model.name": call.model,
            "langfuse.observation.usage_details": _json(_usage(call)),
            **_noted(purpose=str(call.purpose), from_cache=call.from_cache),
            **_first_token(call),
            **_served_prompt(prompt),
        }
        if call.cost_usd is not None:
            span.attributes["langfuse.observation.cost_details"] = _json({"total": call.cost_usd})
        if self._text:
            span.asked, span.answered = prompt_said(prompt), answer_said(answer) if answer else None
        return span


class Recalling:
    """A memory that is watched."""

    def __init__(self, memory: Recaller, trace: TracedRun) -> None:
        self._memory = memory
        self._trace = trace

    async def recall(self, user_id: str, query: str) -> Sequence[str]:
        begun_ns, found = time.time_ns(), None
        try:
            found = await self._memory.recall(user_id, query)
            return found
        finally:
            self._trace.recalled(begun_ns, query, found)


def _usage(call: Call) -> Mapping[str, int]:
    """As Langfuse adds them up: no token in two of them."""
    usage = {"input": call.input_tokens - call.cached_tokens, "output": max(0, call.output_tokens - call.reasoning_tokens)}
    more = {"input_cache_read": call.cached_tokens, "output_reasoning": call.reasoning_tokens}
    return {**usage, **{name: tokens for name, tokens in more.items() if tokens}, "total": call.input_tokens + call.output_tokens}


def _first_token(call: Call) -> dict[str, Attribute]:
    if call.first_token_ms is None:
        return {}
    at = datetime.fromtimestamp(call.started_at.timestamp() + call.first_token_ms / _THOUSANDTH, UTC)
    return {
        "langfuse.observation.completion_start_time": _json(at.isoformat().replace("+00:00", "Z")),
        "gen_ai.response.time_to_first_chunk": call.first_token_ms / _THOUSANDTH,
    }


def _served_prompt(prompt: Sequence[BaseMessage]) -> dict[str, Attribute]:
    """The prompt that Langfuse has served, as its first message is marked."""
    mark = prompt[0].response_metadata.get("served_prompt") if prompt else None
    if not isinstance(mark, Mapping):
        return {}
    return {"langfuse.observation.prompt.name": str(mark["name"]), "langfuse.observation.prompt.version": int(mark["version"])}


def _noted(**values: str | bool | int) -> dict[str, Attribute]:  # each is what it is called
    """As Langfuse keeps what is said beside: each value in JSON."""
    return {f"langfuse.observation.metadata.{name}": _json(value) for name, value in values.items()}


def _json(value: Any) -> str:  # noqa: ANN401  # plain values
    return orjson.dumps(value).decode()
