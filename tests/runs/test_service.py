"""A run, whatever happens in it, ends once: with its text in the transcript, one `end` for its readers and nothing left behind."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
import structlog
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from app.errors import (
    AppError,
    DatabaseUnavailable,
    ModelUnavailable,
    RunNotFound,
    ServerBusy,
    ServerStopping,
    SessionBusy,
    SessionNotFound,
    UnknownModel,
)
from app.persistence.values import RunStatus
from app.runs.turns import OnBusy
from tests.fakes import ADA, Piece, RunsInMemory, calls, says
from tests.runs.conftest import Scene, Scenery

CANARY = "canary-4711"
type Events = Sequence[tuple[str, dict[str, Any]]]


def kinds(events: Events) -> list[str]:
    return [kind for kind, _ in events]


def text_of(events: Events) -> str:
    return "".join(data["content"] for kind, data in events if kind == "token")


def never() -> list[Piece]:
    """An answer that begins and does not go on."""
    return [*says("Half an ")[:1], asyncio.Event()]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


async def until_said(scene: Scene, run: Any, content: str) -> None:
    """Return when a reader has seen this token."""
    async with asyncio.timeout(5):
        async for entries in scene.office.tails.read(run, silence_seconds=0.05):
            if any(content.encode() in entry.payload for entry in entries):
                return


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
        assert scene.store.asked[run].title == "When does"
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
    async with scenery(never(), says("Better."), RUN_TIMEOUT_SECONDS=0.1) as scene:
        events = await scene.reads(await scene.asks())
        assert (text_of(events), events[-2][1]["code"], events[-1][1]["status"]) == ("Half ", "run_timeout", "failed")
        assert text_of(await scene.reads(await scene.asks())) == "Better."


async def test_a_model_that_never_stops_calling_tools_meets_the_step_limit(scenery: Scenery) -> None:
    answers = [calls(("calculate", '{"expression": "1"}'), first_id=number) for number in range(20)]
    async with scenery(*answers, RUN_MAX_STEPS=6) as scene:
        events = await scene.reads(await scene.asks())
        assert (events[-2][1]["code"], events[-1][1]["status"]) == ("step_limit_reached", "failed")
        assert kinds(events).count("tool_call") == 3
        assert kinds(events).count("tool_result") == 2


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


async def test_stopping_before_the_first_step_still_ends_the_run(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        run = await scene.asks()
        scene.office.runs.stop_here(run)
        scene.office.runs.stop_here(run)
        assert (await scene.reads(run))[-1][1]["status"] == "cancelled"
        assert len(scene.store.finished) == 1


async def test_stopping_while_the_end_is_written_comes_too_late(scenery: Scenery) -> None:
    async with scenery(says("At noon.")) as scene:
        scene.store.finishing.clear()
        run = await scene.asks()
        await until(lambda: scene.store.ending == 1)
        for _ in range(5):
            scene.office.runs.stop_here(run)
            await asyncio.sleep(0)
        scene.store.finishing.set()
        assert (await scene.reads(run))[-1][1]["status"] == "completed"


async def test_stopping_what_has_ended_or_never_was_changes_nothing(scenery: Scenery) -> None:
    async with scenery(says("At noon.")) as scene:
        run = await scene.asks()
        await scene.reads(run)
        for gone in (run, uuid4()):
            scene.office.runs.stop_here(gone)
            await scene.office.runs.stop(gone)
        assert len(scene.store.finished) == 1


async def test_a_client_who_goes_while_its_turn_is_claimed_leaves_no_run_here(scenery: Scenery) -> None:
    async with scenery(says("Hello.")) as scene:
        scene.store.claiming.clear()
        asking = asyncio.create_task(scene.asks())
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        scene.store.claiming.set()
        assert scene.office.attempts.ids() == []
        assert text_of(await scene.reads(await scene.asks())) == "Hello."


async def test_stopping_a_session_waits_for_its_run_only(scenery: Scenery) -> None:
    async with scenery(never(), never()) as scene:
        mine, other = await scene.asks(), await scene.asks(session_id=uuid4())
        await scene.until_asked(2)
        await asyncio.wait_for(scene.office.runs.stop_session(scene.session), 5)
        assert [end.id for end in scene.store.finished] == [mine]
        assert scene.office.attempts.ids() == [other]


async def test_a_second_message_is_told_who_has_the_turn(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        run = await scene.asks()
        with pytest.raises(SessionBusy) as caught:
            await scene.asks()
        assert caught.value.extra == {"active_run_id": str(run), "retry_after": 1}


async def test_a_message_may_interrupt_the_answer_before_it(scenery: Scenery) -> None:
    async with scenery(never(), says("New.")) as scene:
        first = await scene.asks()
        await scene.until_asked()
        second = await asyncio.wait_for(scene.asks(on_busy=OnBusy.INTERRUPT), 5)
        assert (await scene.reads(first))[-1][1]["status"] == "cancelled"
        assert text_of(await scene.reads(second)) == "New."


async def test_of_many_who_interrupt_each_other_each_gets_the_turn_or_is_told_the_session_is_busy(scenery: Scenery) -> None:
    async with scenery(*[says("New.") for _ in range(12)]) as scene:
        asked = [scene.asks(on_busy=OnBusy.INTERRUPT) for _ in range(12)]
        answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
        refused = {type(answer) for answer in answers if isinstance(answer, Exception)}
        assert refused <= {SessionBusy}
        assert len(scene.store.asked) == sum(not isinstance(answer, Exception) for answer in answers) > 0


async def test_the_same_request_sent_twice_is_one_run(scenery: Scenery) -> None:
    async with scenery(says("Once.")) as scene:
        first = await scene.asks(idempotency_key="k")
        assert await scene.asks(idempotency_key="k") == first
        assert text_of(await scene.reads(first)) == "Once."
        assert await scene.asks(idempotency_key="k") == first
        assert len(scene.chat.asked) == 1


async def test_a_session_or_model_that_is_not_there_starts_nothing(scenery: Scenery) -> None:
    async with scenery() as scene:
        scene.store.strangers.add(scene.session)
        with pytest.raises(SessionNotFound):
            await scene.asks()
        with pytest.raises(UnknownModel):
            await scene.asks(model="unheard-of")
        with pytest.raises(RunNotFound):
            await scene.office.runs.read(ADA.id, uuid4())
        assert scene.office.attempts.ids() == []


async def test_no_more_runs_than_the_limit_and_claims_count(scenery: Scenery) -> None:
    async with scenery(never(), never(), says("Room."), MAX_LIVE_RUNS=2) as scene:
        scene.store.claiming.clear()
        claiming = [asyncio.create_task(scene.asks(session_id=uuid4())) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(ServerBusy) as caught:
            await scene.asks()
        assert caught.value.extra == {"retry_after": 1}
        scene.store.claiming.set()
        [first, _] = await asyncio.gather(*claiming)
        with pytest.raises(ServerBusy):
            await scene.asks()
        await scene.until_asked(2)
        await scene.office.runs.stop(first)
        await scene.reads(first)
        assert text_of(await scene.reads(await scene.asks())) == "Room."


async def test_an_end_that_is_no_longer_ours_is_not_told(scenery: Scenery) -> None:
    async with scenery(says("Too late.")) as scene:
        scene.store.finishing.clear()
        run = await scene.asks()
        await until(lambda: scene.store.ending == 1)
        scene.store.taken_over(run)
        live = scene.office.attempts.find(run)
        scene.store.finishing.set()
        assert live
        await asyncio.wait_for(live.ended.wait(), 5)
        assert scene.store.finished == []
        assert [entry.type for entry in live.log.following(()).entries if entry.type == "end"] == []


async def test_a_run_that_was_taken_away_while_it_speaks_is_stopped(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([*says("One two")[:1], more, *says("three"), asyncio.Event()]) as scene:
        run = await scene.asks()
        await until_said(scene, run, "One ")
        live = scene.office.attempts.find(run)
        assert live
        scene.store.taken_over(run)
        more.set()
        await asyncio.wait_for(live.ended.wait(), 5)
        assert scene.store.finished == []


async def test_a_run_whose_process_died_is_told_again_and_ended(scenery: Scenery) -> None:
    store = RunsInMemory()
    async with scenery(never(), store=store) as dying:
        run = await dying.asks()
        await until_said(dying, run, "Half ")
        store.lost.append(store.taken_over(run))
        async with scenery(says("Whole."), store=store, LEASE_SECONDS=0.1) as living:
            living.events.entries = dying.events.entries
            events = await living.reads(run)
    told_again = events[kinds(events).index("reset") :]
    assert kinds(told_again) == ["reset", "token", "usage", "end"]
    assert text_of(told_again) == "Whole."
    assert [(end.attempt, end.content) for end in store.finished] == [(2, "Whole.")]


async def test_a_run_that_comes_back_to_the_process_that_lost_it_unknowing_ends_once(scenery: Scenery) -> None:
    async with scenery(never(), [*says("Whole.")[:1], more := asyncio.Event(), *says(" Yes.")]) as scene:
        run = await scene.asks()
        await until(lambda: b"Half" in b"".join(entry.payload for entry in scene.events.entries.get(run, ())))
        stale = scene.office.attempts.find(run)
        assert stale
        scene.office.runs.resume(scene.store.taken_over(run))
        await asyncio.wait_for(stale.ended.wait(), 5)
        assert scene.office.attempts.ids() == [run], "the lease of the new attempt must be kept"
        more.set()
        assert text_of((await scene.reads(run))[2:]) == "Whole. Yes."
        assert [(end.attempt, end.content) for end in scene.store.finished] == [(2, "Whole. Yes.")]
        assert scene.office.attempts.ids() == []


async def test_a_run_that_has_failed_too_often_is_given_up(scenery: Scenery) -> None:
    async with scenery(never(), LEASE_SECONDS=0.1, RUN_MAX_ATTEMPTS=1) as scene:
        lost = await scene.asks()
        await scene.until_asked()
        taken = scene.store.taken_over(lost)
        scene.office.runs.resume(taken)
        assert (await scene.reads(lost))[-2][1]["code"] == "attempts_exhausted"


async def test_a_database_that_is_down_at_the_end_is_told_and_nothing_hangs(scenery: Scenery) -> None:
    async with scenery(says("At noon."), says("Again.")) as scene:
        scene.store.finishing.clear()
        run = await scene.asks()
        await until(lambda: scene.store.ending == 1)
        scene.store.down = True
        scene.store.finishing.set()
        events = await scene.reads(run)
        assert text_of(events) == "At noon."
        assert (events[-2][1]["code"], events[-1][1]["status"]) == ("database_unavailable", "failed")
        with pytest.raises(DatabaseUnavailable):
            await scene.asks()
        assert scene.office.attempts.ids() == []
        scene.store.down = False
        assert run not in await renewed_from_now(scene), "its lease must run out, or the session would never be free"


async def renewed_from_now(scene: Scene) -> set[Any]:
    scene.store.renewed.clear()
    await scene.store.renew_leases(scene.office.attempts.ids())
    return scene.store.renewed


async def test_a_database_that_is_away_for_a_while_costs_no_event(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([*says("One two three")[:1], more, *says("two three")]) as scene:
        run = await scene.asks()
        await until_said(scene, run, "One ")
        scene.store.down = True
        await asyncio.sleep(0.02)
        scene.store.down = False
        more.set()
        live = await scene.reads(run)
        assert text_of(live) == "One two three"
        assert await scene.reads(run) == live


async def test_what_was_said_while_the_database_was_away_is_written_when_it_is_back(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([more, *says("Half an ")[:1], asyncio.Event()]) as scene:
        run = await scene.asks()
        await until(lambda: run in scene.events.entries)
        scene.store.down = True
        more.set()
        await until_said(scene, run, "Half ")
        await asyncio.sleep(0.01)
        scene.store.down = False
        await until(lambda: b"Half" in scene.events.entries[run][-1].payload)


async def test_a_run_that_ends_while_its_events_are_written_writes_each_once(scenery: Scenery) -> None:
    async with scenery(says("One two three four five")) as scene:
        scene.events.appending.clear()
        run = await scene.asks()
        await until(lambda: scene.events.under_way == 1)
        live = scene.office.attempts.find(run)
        assert live
        await until(lambda: not live.walking)
        scene.events.appending.set()
        await scene.reads(run)
        written = [entry.sequence for entry in await scene.events.read(run, 0)]
        assert written == [*range(1, len(written) + 1)]


async def test_leases_of_live_runs_are_renewed_and_a_wish_to_stop_is_heard(scenery: Scenery) -> None:
    async with scenery(never(), LEASE_SECONDS=0.05) as scene:
        run = await scene.asks()
        scene.store.down = True
        await asyncio.sleep(0.05)
        scene.store.down = False
        scene.store.stops.add(run)
        assert (await scene.reads(run))[-1][1]["status"] == "cancelled"
        assert run in scene.store.renewed


async def test_leaving_hands_the_live_runs_back_and_takes_no_new_ones(scenery: Scenery) -> None:
    async with scenery(never(), never()) as scene:
        live = [await scene.asks(session_id=uuid4()) for _ in range(2)]
        await scene.until_asked(2)
        reading = asyncio.create_task(scene.reads(live[0]))
        await until_said(scene, live[0], "Half ")
        await asyncio.wait_for(scene.office.runs.close(), 5)
        with pytest.raises(ServerStopping):
            await scene.asks()
        reading.cancel()
    assert sorted(scene.store.released) == sorted(live)
    assert scene.store.finished == []
    assert text_of([(entry.type, {"content": "Half "}) for entry in scene.events.entries[live[0]] if entry.type == "token"]) == "Half "


async def test_leaving_without_a_database_leaves_all_the_same(scenery: Scenery) -> None:
    async with asyncio.timeout(5), scenery(never(), never()) as scene:
        for _ in range(2):
            await scene.asks(session_id=uuid4())
        await scene.until_asked(2)
        scene.store.down = True
    assert scene.office.attempts.ids() == []


async def test_the_question_carries_the_runs_id(scenery: Scenery) -> None:
    async with scenery(says("Yes.")) as scene:
        run = await scene.asks("You there?")
        await scene.reads(run)
        assert scene.chat.asked[0][-1] == HumanMessage("You there?", id=str(run))
