"""The steps of an agent that is several: what is told of them, what is kept with the answer, and how large both may be."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from uuid_utils.compat import uuid7

from app.agent.origin import Origin
from app.agent.registry import Agents
from app.agent.spec import Agent, AgentGraph, Build
from app.agent.state import AgentContext, AgentState, AgentUpdate, Node, StepStatus
from app.errors import AppError
from app.llm.asking import Asker
from app.persistence.values import TakenRun
from app.runs.log import RunLog
from app.runs.steps import Steps
from app.runs.stream import Story
from app.runs.walk import Bench, LiveRun, walk
from tests.fakes import ADA, ScriptedChat, StartsInMemory, models_of
from tests.runs.tables import AttemptSaver
from tests.runs.test_resume import MEANS


def at(namespace: str) -> Origin:
    return Origin(agent="researcher", node="worker", namespace=namespace)


def take(steps: Steps, namespace: str, status: StepStatus = "done", **content: Any) -> Mapping[str, Any]:
    return steps.take(at(namespace), status, f"Look at {namespace}", content).content


def test_a_step_is_kept_as_it_was_told_last_in_the_order_in_which_they_began() -> None:
    steps = Steps()
    take(steps, "a", "begun")
    take(steps, "b", "begun")
    take(steps, "b", "failed", reason="Nothing is there.")
    take(steps, "a", "done", sources=[{"url": "https://a.test/"}])
    where = {"agent": "researcher", "node": "worker"}
    assert steps.kept() == [
        {**where, "namespace": "a", "status": "done", "title": "Look at a", "content": {"sources": [{"url": "https://a.test/"}]}},
        {**where, "namespace": "b", "status": "failed", "title": "Look at b", "content": {"reason": "Nothing is there."}},
    ]


def test_steps_of_an_answer_that_is_taken_back_are_neither_told_again_nor_kept() -> None:
    log = RunLog(uuid4(), 1, lambda _: None)
    story = Story(log, "priced")
    story.step(at("plan"), "done", "Planning", {})
    story.answer_begins()
    story.token("Half")
    story.step(at("critic"), "done", "Reviewing", {})
    story.answer_taken_back("It is written once more.")
    story.step(at("write"), "done", "Writing", {})
    told = [orjson.loads(entry.payload) for entry in log.following(()).entries if entry.type == "step"]
    assert [one["namespace"] for one in told] == ["plan", "critic", "plan", "write"]
    assert [one["namespace"] for one in story.transcript()["steps"]] == ["plan", "write"]


def test_of_a_huge_step_the_beginning_is_told_and_the_same_kept() -> None:
    steps = Steps()
    url = "https://example.com/" + "x" * 80
    told = take(steps, "a", junk="x" * 1_000_000, sources=[{"url": url}] * 10_000, question="How high?")
    assert {*told} == {"sources", "question"}
    assert told["sources"] == [{"url": url}] * len(told["sources"])
    assert 100 < len(told["sources"]) < 160
    assert steps.kept()[0]["content"] == told
    assert len(steps.take(at("b"), "done", "x" * 1_000_000, {"x" * 1_000_000: 1}).title) == 500
    assert steps.kept()[1]["content"] == {}


def test_what_is_kept_with_one_answer_is_bounded_and_no_step_that_is_kept_lacks_its_title() -> None:
    steps = Steps()
    for number in range(1_000):
        take(steps, str(number), notes=["x" * 1_000] * 15)
    kept = steps.kept()
    assert [one["title"] for one in kept] == [f"Look at {number}" for number in range(100)]
    assert len(kept[0]["content"]["notes"]) == 15
    assert kept[-1]["content"].get("notes", []) == []
    assert 50_000 < len(orjson.dumps(kept)) < 100_000


def test_a_small_step_is_told_as_it_is() -> None:
    content: dict[str, Any] = {"good": True, "nothing": None, "empty": [], "nested": {"list": [1, 2.5, "three"]}}
    assert take(Steps(), "a", **content) == content


def _builds(work: Node) -> Build:
    def build(checkpointer: BaseCheckpointSaver[str], tools: Sequence[BaseTool]) -> AgentGraph:  # noqa: ARG001  # it calls none
        graph = StateGraph(AgentState, context_schema=AgentContext)
        graph.add_node("work", work)
        graph.add_edge(START, "work")
        graph.add_edge("work", END)
        return graph.compile(checkpointer=checkpointer, name="worker")

    return build


async def _walked(work: Node) -> tuple[AppError | None, LiveRun]:
    saver = InMemorySaver()
    agent = Agent(name="several", description="Works.", build=_builds(work), tools=(), events=frozenset({"step"}))
    taken = TakenRun(
        id=uuid7(),
        session_id=uuid7(),
        attempt=1,
        model="scripted",
        asked_id=uuid7(),
        message_id=uuid7(),
        user=ADA,
        text="Work.",
        agent="several",
    )
    place = AttemptSaver(saver, None)
    log = RunLog(taken.id, 1, lambda _: None)
    story = Story(log, "scripted")
    asker = Asker(models_of(ScriptedChat()), None, story)
    bench = Bench(agent=agent.build(place, ()), place=place, starts=StartsInMemory())
    run = LiveRun(taken=taken, asker=asker, bench=bench, log=log, story=story)
    return await walk(run, replace(MEANS, agents=Agents(saver, [agent]))), run


async def test_an_agent_that_raises_in_a_step_ends_its_run_and_the_step_is_kept_as_one_that_did_not_end() -> None:
    async def work(state: AgentState, runtime: Runtime[AgentContext]) -> AgentUpdate:  # noqa: ARG001  # as LangGraph calls it
        runtime.context.listener.step(at("a"), "begun", "Look at a", {})
        raise ValueError("the password is swordfish")

    error, run = await _walked(work)
    assert error
    assert (error.code, "swordfish" in error.detail) == ("internal_error", False)
    assert [(one["title"], one["status"]) for one in run.story.transcript()["steps"]] == [("Look at a", "begun")]


@pytest.mark.parametrize(
    "content",
    [
        {"sources": ["x" * 1_000] * 10_000},
        {"x" * 1_000_000: 1},
        {"text": "x" * 10_000_000},
        {str(number): number for number in range(100_000)},
        {"number": 10**300, "nan": float("nan"), "odd": object(), "nul": "\0\ud800"},
    ],
    ids=["sources", "name", "text", "members", "odd"],
)
async def test_a_step_with_anything_in_it_is_told_in_an_event_that_readers_can_take(content: Mapping[str, Any]) -> None:
    async def work(state: AgentState, runtime: Runtime[AgentContext]) -> AgentUpdate:  # noqa: ARG001  # as LangGraph calls it
        runtime.context.listener.step(at("a"), "done", "Look at a", content)
        return {"messages": [AIMessage("Done.")]}

    error, run = await _walked(work)
    assert error is None
    [entry] = [entry for entry in run.log.following(()).entries if entry.type == "step"]
    assert len(entry.payload) < 20_000
    [kept] = run.story.transcript()["steps"]
    assert json.loads(entry.payload)["content"] == kept["content"] == json.loads(json.dumps(kept["content"], allow_nan=False))
