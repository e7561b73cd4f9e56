"""A story is told twice, as events and as the transcript, and both say the same."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest

from app.agent.origin import Origin
from app.llm.calls import ModelCall, Purpose
from app.runs.events import Reset, Started
from app.runs.log import RunLog
from app.runs.stream import Story


class Told:
    """A story, and what a reader of its log sees."""

    def __init__(self, model: str = "priced", attempt: int = 1) -> None:
        self.log = RunLog(uuid4(), attempt, lambda _: None)
        self.story = Story(self.log, model)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(entry.type, orjson.loads(entry.payload)) for entry in self.log.following(()).entries]

    def numbers(self) -> list[int]:
        return [entry.sequence for entry in self.log.following(()).entries]

    def text(self) -> str:
        return "".join(data["content"] for kind, data in self.events() if kind == "token")


def tokens(story: Story, *contents: str) -> None:
    for content in contents:
        story.token(content)


def use(story: Story, call_id: str = "c", args: dict[str, Any] | None = None) -> None:
    story.tool_called(call_id, "calculate", args or {})
    story.tool_answered(call_id, "calculate", "84", is_error=False)


def test_the_transcript_is_the_tokens_joined() -> None:
    told = Told()
    tokens(told.story, "The ", "train ", "", "leaves.")
    assert told.story.transcript() == {"content": "The train leaves.", "reasoning": "", "tool_calls": [], "steps": []}
    assert told.text() == "The train leaves."


def test_text_after_a_tool_begins_a_new_paragraph() -> None:
    told = Told()
    tokens(told.story, "Let me see.")
    use(told.story, "a")
    use(told.story, "b")
    tokens(told.story, "It is ", "84.")
    assert told.story.transcript()["content"] == told.text() == "Let me see.\n\nIt is 84."


def test_an_answer_that_begins_with_a_tool_begins_without_a_break() -> None:
    told = Told()
    use(told.story)
    tokens(told.story, "84.")
    assert told.text() == "84."


def test_what_neither_postgres_nor_utf8_can_hold_is_replaced_everywhere() -> None:
    told, bad, good = Told(), "a\0b\ud800c\udfff", "a\ufffdb\ufffdc\ufffd"
    told.story.remembered([bad])
    told.story.token(bad)
    told.story.reasoning(bad)
    told.story.tool_called(bad, bad, {bad: [bad, {"deep": (bad,)}]})
    told.story.tool_answered(bad, bad, bad, is_error=True)
    call = {"id": good, "name": good, "args": {good: [good, {"deep": [good]}]}}
    assert told.story.transcript() == {
        "content": good,
        "reasoning": good,
        "tool_calls": [{**call, "content": good, "is_error": True}],
        "steps": [],
    }
    assert told.events() == [
        ("memory", {"memories": [good]}),
        ("token", {"content": good, "done": False}),
        ("reasoning", {"content": good}),
        ("tool_call", call),
        ("tool_result", {"id": good, "name": good, "content": good, "is_error": True}),
    ]


@pytest.mark.parametrize("number", [2**53 + 1, 2**64, -(2**70), 10**300])
def test_a_number_of_any_size_in_a_tools_arguments_is_told_exactly(number: int) -> None:
    told = Told()
    told.story.tool_called("c", "calculate", {"n": number})
    [entry] = told.log.following(()).entries
    assert f'"n":{number}'.encode() in entry.payload.replace(b": ", b":")
    assert told.story.transcript()["tool_calls"][0]["args"] == {"n": number}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_told_as_none(number: float) -> None:
    told = Told()
    told.story.tool_called("c", "calculate", {"n": [number, 10**30]})
    assert told.story.transcript()["tool_calls"][0]["args"] == {"n": [None, 10**30]}
    assert b"NaN" not in told.log.following(()).entries[0].payload


def test_a_call_without_an_answer_counts_as_failed() -> None:
    told = Told()
    told.story.tool_called("c", "calculate", {})
    assert told.story.transcript()["tool_calls"] == [{"id": "c", "name": "calculate", "args": {}, "content": "", "is_error": True}]


def call(input_tokens: int, output_tokens: int, cost_usd: float | None = 0.25, **more: Any) -> ModelCall:
    return ModelCall(
        id=uuid4(),
        model="priced",
        purpose=Purpose.ANSWER,
        started_at=datetime.now(UTC),
        latency_ms=10,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=cost_usd,
        **more,
    )


def test_the_usage_is_the_sum_of_all_calls() -> None:
    told = Told()
    told.story.called(call(1000, 100, cached_tokens=400, reasoning_tokens=30))
    told.story.called(call(2000, 200, 0.5))
    usage = told.story.usage()
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (3000, 300, 3300)
    assert (usage.cached_tokens, usage.reasoning_tokens) == (400, 30)
    assert (usage.cost_usd, usage.model, usage.from_cache) == (0.75, "priced", False)


def test_a_price_that_is_not_known_is_not_made_up() -> None:
    told = Told()
    told.story.called(call(1, 1, 0.25))
    told.story.called(call(1, 1, None))
    assert told.story.usage().cost_usd is None


def test_a_call_that_failed_hides_no_price() -> None:
    told = Told()
    told.story.called(call(0, 0, None, error_code="model_timeout"))
    told.story.called(call(1, 1, 0.25))
    assert told.story.usage().cost_usd == 0.25


def readers_view(events: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """What a client that throws everything away at `reset` is left with."""
    resets = [place for place, (kind, _) in enumerate(events) if kind == "reset"]
    return events[resets[-1] + 1 :] if resets else events


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_answer_taken_back_leaves_what_was_said_before_it(attempt: int) -> None:
    told = Told(attempt=attempt)
    story = told.story
    story.remembered(["Likes trains."])
    story.answer_begins()
    story.reasoning("Hm.")
    tokens(story, "Let ", "me see.")
    use(story)
    before, begun = told.events(), story.first_token_at
    for _ in range(2):
        story.answer_begins()
        story.reasoning("Or so?")
        tokens(story, "It is ", "83 or ")
        story.answer_taken_back("It broke off.")
        assert readers_view(told.events()) == before
        assert story.transcript()["content"] == "Let me see."
    assert [data for kind, data in told.events() if kind == "reset"] == [{"reason": "It broke off."}] * 2
    story.answer_begins()
    story.reasoning(" Sure.")
    tokens(story, "It is 84.")
    assert (story.transcript()["content"], story.transcript()["reasoning"]) == ("Let me see.\n\nIt is 84.", "Hm. Sure.")
    assert "".join(data["content"] for kind, data in readers_view(told.events()) if kind == "token") == "Let me see.\n\nIt is 84."
    assert story.first_token_at == begun
    assert told.numbers() == [*range((attempt - 1) * 1_000_000 + 1, told.numbers()[-1] + 1)]


def test_what_a_later_attempt_threw_away_is_not_told_again() -> None:
    told = Told(attempt=2)
    told.log.append(Reset(reason="The server stopped."))
    told.story.answer_begins()
    tokens(told.story, "Hello ")
    told.story.answer_taken_back("It broke off.")
    assert [kind for kind, _ in told.events()] == ["reset", "token", "reset"]
    assert told.story.first_token_at is None


def test_the_start_of_the_run_is_told_once() -> None:
    told = Told()
    told.log.append(Started(run_id="r", session_id="s"))
    told.story.remembered(["Likes trains."])
    told.story.answer_begins()
    tokens(told.story, "Hello ")
    told.story.answer_taken_back("It broke off.")
    assert [kind for kind, _ in told.events()] == ["start", "memory", "token", "reset", "memory"]


def test_an_answer_that_had_said_nothing_is_taken_back_unnoticed() -> None:
    told = Told()
    tokens(told.story, "Let me see.")
    use(told.story)
    before = told.events()
    told.story.answer_begins()
    told.story.answer_taken_back("It broke off.")
    assert told.events() == before


def test_the_usage_names_the_model_that_answered_last() -> None:
    told = Told("first")
    assert told.story.usage().model == "first"
    told.story.called(replace(call(0, 0, None, error_code="model_unavailable"), model="first"))
    told.story.called(replace(call(1, 1), model="second"))
    told.story.called(replace(call(1, 1), model="cheap", purpose=Purpose.SUMMARY))
    assert told.story.usage().model == "second"


def test_what_was_said_so_far_can_be_asked_at_any_time() -> None:
    steps: list[Callable[[Story], None]] = [lambda story: story.token("One."), use, lambda story: story.token("Two.")]
    told = Told()
    for step in steps:
        step(told.story)
        assert told.story.transcript()["content"] == told.text()


def test_what_a_step_tells_names_its_place_after_its_own_words() -> None:
    told = Told()
    story, origin = told.story, Origin(agent="researcher", node="write", namespace="write:1")
    story.step(origin, "begun", "Writing", {"sources": 2})
    at = story.at(origin)
    at.token("Half ")
    at.reasoning("Hm.")
    at.tool_called("one", "look", {"at": 1})
    at.tool_answered("one", "look", "Nothing.", is_error=False)
    story.token("and mine.")
    where = {"agent": "researcher", "node": "write", "namespace": "write:1"}
    assert told.events() == [
        ("step", {"status": "begun", "title": "Writing", "content": {"sources": 2}, **where}),
        ("token", {"content": "Half ", "done": False, **where}),
        ("reasoning", {"content": "Hm.", **where}),
        ("tool_call", {"id": "one", "name": "look", "args": {"at": 1}, **where}),
        ("tool_result", {"id": "one", "name": "look", "content": "Nothing.", "is_error": False, **where}),
        ("token", {"content": "\n\nand mine.", "done": False}),
    ]
    assert story.transcript()["content"] == "Half \n\nand mine."
