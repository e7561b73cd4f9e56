"""A run as spans: which runs, in which trace, and how much of what was said."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import ToolException
from langgraph.errors import GraphInterrupt
from uuid_utils.compat import uuid7

from app.errors import ModelTimeout
from app.llm.calls import ModelCall, Purpose
from app.llm.lean.model import LeanModel, _is_watched
from app.observability.traces.graph_handler import GraphHandler
from app.observability.traces.run_trace import TracedRun, TracedRuns, is_sampled
from app.observability.traces.said import prompt_said, value_said
from app.observability.traces.span import Kind, Span
from tests.fakes import MemoryOf


class Kept:
    """An outlet that keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def put(self, span: Span) -> None:
        self.spans.append(span)


def _begun(kept: Kept, run_id: UUID, *, attempt: int = 1, text: bool = True) -> TracedRun:
    runs = TracedRuns([kept], rate=1, text=text, environment="test", release="1")
    trace = runs.begin(run_id=run_id, session_id=uuid4(), user_id=uuid4(), agent="assistant", tier="free", attempt=attempt, said="Hello")
    assert trace
    return trace


def test_all_attempts_at_a_run_are_of_one_trace_that_has_its_id() -> None:
    kept, run_id = Kept(), uuid7()
    for attempt, outcome in ((1, "handed_back"), (2, "completed")):
        trace = _begun(kept, run_id, attempt=attempt)
        trace.ended(outcome, "", "Hi.")
        trace.ended("crashed", "internal_error", "")
    first, second = kept.spans
    assert (first.trace_id, second.trace_id, trace.id) == (run_id, run_id, run_id.hex)
    assert first.id != second.id
    assert second.attributes["langfuse.observation.metadata.outcome"] == json.dumps("completed")
    assert (second.error, second.asked, second.answered) == ("", "Hello", "Hi.")


def test_a_share_of_runs_is_traced_and_always_the_same() -> None:
    runs = [uuid7() for _ in range(4_000)]
    assert 800 < sum(is_sampled(run_id, 0.25) for run_id in runs) < 1_200
    assert not any(is_sampled(run_id, 0) for run_id in runs)
    assert all(is_sampled(run_id, 1) for run_id in runs)
    assert {run_id for run_id in runs if is_sampled(run_id, 0.1)} <= {run_id for run_id in runs if is_sampled(run_id, 0.25)}


def test_nodes_and_tools_are_spans_and_what_is_between_them_is_not() -> None:
    kept, run_id = Kept(), uuid7()
    trace = _begun(kept, run_id)
    [handler] = trace.callbacks
    node, route, tool, inner = (uuid4() for _ in range(4))
    handler.on_chain_start(None, {}, run_id=run_id, name="assistant")
    handler.on_chain_start(None, {}, run_id=node, parent_run_id=run_id, metadata={"langgraph_node": "tools"}, name="tools")
    handler.on_chain_start(None, {}, run_id=route, parent_run_id=node, metadata={"langgraph_node": "tools"}, name="to_tools")
    handler.on_tool_start({"name": "calculate"}, "{}", run_id=tool, parent_run_id=route, inputs={"expression": "1"})
    handler.on_chain_start(None, {}, run_id=inner, parent_run_id=tool, metadata={"langgraph_node": "plan"}, name="plan")
    handler.on_chain_error(LookupError("zyxcanary"), run_id=inner)
    handler.on_tool_end(ToolMessage("no", tool_call_id="1", status="error"), run_id=tool)
    handler.on_chain_end({}, run_id=route)
    handler.on_chain_end({}, run_id=node)
    handler.on_chain_end({}, run_id=run_id)
    planned, calculated, tools = kept.spans
    assert [(span.name, span.kind, span.error) for span in kept.spans] == [
        ("plan", Kind.NODE, "LookupError"),
        ("calculate", Kind.TOOL, "tool_error"),
        ("tools", Kind.NODE, ""),
    ]
    assert (planned.parent, calculated.parent, tools.parent) == (calculated.id, tools.id, trace.root.id)
    assert (handler._open, handler._places) == ({}, {}), "nothing is held of what is over"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ModelTimeout(), "model_timeout"),
        (SystemExit("zyxcanary"), "SystemExit"),  # its `code` is whatever it was given
        (ToolException("zyxcanary"), "tool_error"),
        (GraphInterrupt(), ""),
        (asyncio.CancelledError("zyxcanary"), "cancelled"),
    ],
)
def test_an_error_is_told_by_its_code_or_its_kind_and_never_in_its_words(error: BaseException, told: str) -> None:
    kept, run_id = Kept(), uuid4()
    [handler] = _begun(kept, uuid7()).callbacks
    handler.on_tool_start({"name": "calculate"}, "{}", run_id=run_id)
    handler.on_tool_error(error, run_id=run_id)
    assert [span.error for span in kept.spans] == [told]


async def test_a_memory_that_is_watched_says_the_same_and_what_it_found_is_told() -> None:
    kept = Kept()
    trace = _begun(kept, uuid7())
    assert await trace.recalling(MemoryOf(["Likes tea"])).recall("ada", "What do I drink?") == ["Likes tea"]
    [span] = kept.spans
    assert (span.name, span.parent, span.asked, span.answered) == ("recall", trace.root.id, "What do I drink?", ["Likes tea"])
    assert span.ended_ns >= span.begun_ns


def test_no_token_is_in_two_of_the_kinds_that_langfuse_adds_up() -> None:
    kept = Kept()
    call = ModelCall(
        id=uuid4(),
        model="m",
        purpose=Purpose.ANSWER,
        input_tokens=10,
        cached_tokens=4,
        output_tokens=7,
        reasoning_tokens=2,
        cost_usd=None,
        latency_ms=5,
        first_token_ms=None,
        started_at=datetime.now(UTC),
    )
    _begun(kept, uuid7()).called(call, [], None)
    [span] = kept.spans
    usage = json.loads(str(span.attributes["langfuse.observation.usage_details"]))
    assert usage == {"input": 6, "output": 5, "input_cache_read": 4, "output_reasoning": 2, "total": 17}


def test_the_lean_way_is_left_only_for_who_listens_to_models() -> None:
    model = LeanModel(model="stub", api_key="sk-test", base_url="http://127.0.0.1:9")
    trace = _begun(Kept(), uuid7())
    assert not _is_watched(model, {"callbacks": [*trace.callbacks]})
    assert _is_watched(model, {"callbacks": [*trace.callbacks, BaseCallbackHandler()]})
    assert isinstance(trace.callbacks[0], GraphHandler)
    assert trace.callbacks[0].run_inline


def test_a_long_conversation_is_told_from_its_end() -> None:
    messages = [HumanMessage(f"{number} " + "x" * 999) for number in range(1_000)]
    told = prompt_said([SystemMessage("Be kind."), *messages])
    assert isinstance(told, list)
    assert told[0] == {"role": "system", "content": "Be kind."}
    assert told[1] == {"role": "system", "content": "(Older messages are left out.)"}
    assert told[-1] == {"role": "user", "content": messages[-1].content}
    assert len(told) < 25
    assert prompt_said([]) == []
    long = prompt_said([SystemMessage("Hi"), HumanMessage("x" * 1_000_000)])
    assert [one["role"] for one in long] == ["system", "user"]  # type: ignore[call-overload,index]  # messages
    assert len(str(prompt_said([SystemMessage("Hi"), HumanMessage("x" * 1_000_000)]))) < 25_000


def test_values_of_any_shape_have_an_end() -> None:
    deep: list[object] = []
    for _ in range(1_000):
        deep = [deep]
    assert len(str(value_said(deep))) < 200
    assert len(str(value_said(["x"] * 100_000))) < 2_000
    assert value_said({"a": 1, 2: None, "b": AIMessage("zyx")})["a"] == "1"  # type: ignore[index,call-overload]  # a mapping, by its shape


def test_what_cannot_be_traced_is_no_reason_for_a_turn_to_fail() -> None:
    kept = Kept()
    trace = _begun(kept, uuid7())
    trace.called(object(), [], None)  # type: ignore[arg-type]  # the bug
    assert kept.spans == []
