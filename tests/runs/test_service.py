"""A run, whatever happens in it, ends once: with its text in the transcript, one `end` for its readers and nothing left behind."""

import asyncio
from uuid import uuid4

import pytest
import structlog
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool

from app.errors import (
    AppError,
    ModelUnavailable,
)
from app.persistence.values import NewRun, RunStatus
from tests.fakes import calls, says
from tests.runs.conftest import Scenery
from tests.runs.reading import kinds, never, text_of, until, until_said

CANARY = "canary-4711"


async def test_an_answer_is_told_written_and_ended(scenery: Scenery) -> None:
    async with scenery(says("At noon.", input_tokens=5, output_tokens=2)) as scene:
        run = await scene.asks("  When does\nit leave?")
        events = await scene.reads(run)
        assert kinds(events) == ["start", "token", "token", "usage", "end"]
        assert events[0][1] == {"run_id": str(run), "session_id": str(scene.session)}
        assert events[-1][1]["status"] == "completed"
        [end] = scene.store.finished
        assert (end.content, end.status, end.error_code) == ("At noon.", RunStatus.COMPLETED, None)
        assert (end.input_tokens, end.output_tokens) == (5, 2)
        assert str(end.message_id) == events[-1][1]["message_id"]
        asked = scene.store.rows[run].asked
        assert isinstance(asked, NewRun)
        assert asked.title == "When does"
        assert not len(scene.office.attempts)


async def test_a_session_keeps_what_was_said_for_the_next_message(scenery: Scenery) -> None:
    async with scenery(says("Ada."), says("I did.")) as scene:
        await scene.reads(await scene.asks("Who are you?"))
        await scene.reads(await scene.asks("You said?"))
        assert [message.text for message in scene.chat.asked[1][1:]] == ["Who are you?", "Ada.", "You said?"]


@pytest.mark.parametrize("after", [1, 3, 5, 99])
async def test_a_reader_who_comes_late_reads_the_same(scenery: Scenery, after: int) -> None:
    async with scenery(says("At noon.")) as scene:
        run = await scene.asks()
        live = await scene.reads(run)
        assert await scene.reads(run, after=after) == live[after:]


@pytest.mark.parametrize("where", ["before", "in the middle of"])
async def test_an_error_of_the_model_is_told_by_its_code_and_what_was_said_is_kept(scenery: Scenery, where: str) -> None:
    said = [] if where == "before" else says("Half an ")[:1]
    async with scenery([*said, ModelUnavailable("The provider sleeps.")]) as scene:
        run = await scene.asks()
        events = await scene.reads(run)
        assert events[-2] == (
            "error",
            {"code": "model_unavailable", "detail": "The provider sleeps.", "retryable": True, "retry_after": None},
        )
        assert events[-1][1]["status"] == "failed"
        [end] = scene.store.finished
        assert (end.status, end.error_code, end.content) == (RunStatus.FAILED, "model_unavailable", "Half " if said else "")


async def test_a_bug_is_an_internal_error_and_its_words_reach_neither_readers_nor_the_log(scenery: Scenery) -> None:
    with structlog.testing.capture_logs() as logged:
        async with scenery([RuntimeError(CANARY)]) as scene:
            events = await scene.reads(await scene.asks(f"My secret is {CANARY}"))
    assert events[-2][1] == {"code": "internal_error", "detail": AppError().detail, "retryable": False, "retry_after": None}
    [crash] = [line for line in logged if line["event"] == "run_crashed"]
    assert crash["error"] == "RuntimeError"
    assert any("astream" in frame for frame in crash["frames"])
    assert CANARY not in str(events) + str(logged)


async def test_a_run_that_takes_too_long_is_ended(scenery: Scenery) -> None:
    async with scenery(never(), says("Better."), RUN_TIMEOUT_SECONDS=2) as scene:
        events = await scene.reads(await scene.asks())
        assert (text_of(events), events[-2][1]["code"], events[-1][1]["status"]) == ("Half ", "run_timeout", "failed")
        assert text_of(await scene.reads(await scene.asks())) == "Better."


async def test_a_model_that_never_stops_calling_tools_is_given_an_end_that_can_be_read(scenery: Scenery) -> None:
    answers = [calls(("calculate", f'{{"expression": "{number}"}}'), first_id=number) for number in range(20)]
    async with scenery(*answers, RUN_MAX_STEPS=5) as scene:
        events = await scene.reads(await scene.asks())
        assert events[-1][1]["status"] == "completed"
        assert kinds(events).count("tool_call") == kinds(events).count("tool_result") == 1
        assert text_of(events).startswith("I have used all the steps")


async def test_stopping_keeps_what_was_said_and_is_no_error(scenery: Scenery) -> None:
    async with scenery(never(), says("Again.")) as scene:
        run = await scene.asks()
        await until_said(scene, run, "Half ")
        await scene.office.runs.stop(run)
        events = await scene.reads(run)
        assert kinds(events) == ["start", "token", "usage", "end"]
        assert events[-1][1]["status"] == "cancelled"
        assert [(end.status, end.content) for end in scene.store.finished] == [(RunStatus.CANCELLED, "Half ")]
        assert text_of(await scene.reads(await scene.asks())) == "Again."


async def test_stopping_reaches_a_tool_at_work(scenery: Scenery) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    @tool
    async def dawdle() -> str:
        """Never return."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    async with scenery(calls(("dawdle", "{}")), says("Never."), tools=[dawdle]) as scene:
        run = await scene.asks()
        await asyncio.wait_for(begun.wait(), 5)
        await scene.office.runs.stop(run)
        assert (await scene.reads(run))[-1][1]["status"] == "cancelled"
        assert ended.is_set()
        assert len(scene.chat.asked) == 1


async def test_what_tools_had_answered_before_a_stop_is_kept_for_the_next_message(scenery: Scenery) -> None:
    begun = asyncio.Event()

    @tool
    async def dawdle() -> str:
        """Never return."""
        begun.set()
        await asyncio.Event().wait()
        return ""

    wanted = calls(("calculate", '{"expression": "12*7"}'), ("dawdle", "{}"))
    async with scenery(wanted, says("Well."), tools=[dawdle]) as scene:
        run = await scene.asks()
        await asyncio.wait_for(begun.wait(), 5)
        await until_said(scene, run, '"84"')
        await scene.office.runs.stop(run)
        await scene.reads(run)
        await scene.reads(await scene.asks("And?"))
        answers = {message.name: message.text for message in scene.heard() if isinstance(message, ToolMessage)}
        assert answers["calculate"] == "84"
        assert "not known" in answers["dawdle"]


async def test_stopping_before_the_first_step_still_ends_the_run(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        run = await scene.asks()
        scene.office.attempts.stop(run)
        scene.office.attempts.stop(run)
        assert (await scene.reads(run))[-1][1]["status"] == "cancelled"
        assert len(scene.store.finished) == 1


async def test_stopping_while_the_end_is_written_comes_too_late(scenery: Scenery) -> None:
    async with scenery(says("At noon.")) as scene:
        scene.store.finishing.clear()
        run = await scene.asks()
        await until(lambda: scene.store.ending == 1)
        for _ in range(5):
            scene.office.attempts.stop(run)
            await asyncio.sleep(0)
        scene.store.finishing.set()
        assert (await scene.reads(run))[-1][1]["status"] == "completed"


async def test_stopping_what_has_ended_or_never_was_changes_nothing(scenery: Scenery) -> None:
    async with scenery(says("At noon.")) as scene:
        run = await scene.asks()
        await scene.reads(run)
        for gone in (run, uuid4()):
            scene.office.runs.stop_soon(gone)
            await scene.office.runs.stop(gone)
        assert len(scene.store.finished) == 1


async def test_stopping_a_session_waits_for_its_run_only(scenery: Scenery) -> None:
    async with scenery(never(), never()) as scene:
        mine, other = await scene.asks(), await scene.asks(session_id=uuid4())
        await scene.until_asked(2)
        await asyncio.wait_for(scene.office.runs.stop_session(scene.session), 5)
        assert [end.id for end in scene.store.finished] == [mine]
        assert scene.live() == [other]


async def test_the_question_carries_the_runs_id(scenery: Scenery) -> None:
    async with scenery(says("Yes.")) as scene:
        run = await scene.asks("You there?")
        await scene.reads(run)
        assert scene.chat.asked[0][-1] == HumanMessage("You there?", id=str(run))
