"""The steps of an agent that is several: what is told of them, what is kept with the answer, and how large both may be."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import orjson

from app.agent.source import Source
from app.agent.state import StepStatus
from app.runs.log import RunLog
from app.runs.steps import Steps
from app.runs.stream import Story


def at(namespace: str) -> Source:
    return Source(agent="researcher", node="worker", namespace=namespace)


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
