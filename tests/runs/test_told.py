"""What watchers are told of runs: once of each beginning and of each end, by who wrote it, and of events how many."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from app import signals
from app.errors import AnswerWithheld, DatabaseRefused, EventsExpired, ModelUnavailable
from app.llm.calls import Purpose
from app.persistence.values import RunStatus
from app.runs.asking import OnBusy
from tests.fakes import ADA, calls, says
from tests.runs.conftest import Scenery
from tests.runs.deeds import YES, Deeds, ids_of, wants
from tests.runs.reading import never, until, until_said, written
from tests.runs.tables import Tables
from tests.told import Told, between, hearing, of

OF_RUNS = (
    *(signals.run_started, signals.attempt_begun, signals.run_ended, signals.run_recovered, signals.run_handed_back),
    *(signals.attempts_exhausted, signals.approval_asked, signals.quota_moved),
)
BEGUN: Told = [("run_started", "assistant"), ("attempt_begun", "assistant", 1, 0)]


class Withholds:
    async def before(self, prompt: Any) -> Any:
        return prompt

    async def after(self, answer: AIMessage, purpose: Purpose) -> None:  # noqa: ARG002  # the Protocol's
        raise AnswerWithheld


async def test_an_answer_is_told_with_its_first_token_and_its_end(scenery: Scenery) -> None:
    async with scenery(says("Well.")) as scene:
        with hearing(*OF_RUNS, signals.model_called) as told:
            await scene.reads(await scene.asks())
    [call] = of(told, signals.model_called)
    assert [one for one in told if one[0] != "model_called"] == [
        *BEGUN,
        ("run_ended", "assistant", "completed", "", between(), between()),
    ]
    assert (call[0]["model"], call[0]["purpose"], call[0]["error"]) == ("scripted", "answer", "")
    first, ended = told[-1][-1], told[-1][-2]
    assert 0 <= first <= ended


async def test_what_a_policy_keeps_back_is_refused_and_a_provider_that_is_down_a_failure(scenery: Scenery) -> None:
    with hearing(signals.run_ended) as told:
        async with scenery(says("Sue them."), hooks=[Withholds()]) as scene:
            await scene.reads(await scene.asks())
        async with scenery([ModelUnavailable()]) as scene:
            await scene.reads(await scene.asks())
    assert told == [
        ("run_ended", "assistant", "refused", "answer_withheld", between(), between()),
        ("run_ended", "assistant", "failed", "model_unavailable", between(), None),
    ]


async def test_a_run_that_is_stopped_is_cancelled(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        with hearing(*OF_RUNS) as told:
            run = await scene.asks()
            await until_said(scene, run, "Half ")
            await scene.office.runs.stop(run)
            await scene.reads(run)
    assert told == [*BEGUN, ("run_ended", "assistant", "cancelled", "run_cancelled", between(), between())]


async def test_a_run_that_waited_is_told_when_it_is_stopped_and_when_it_is_begun(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([more, *says("A.")], says("B.")) as scene:
        await scene.asks("A")
        with hearing(*OF_RUNS) as told:
            stopped, waits = [await scene.asks(text, on_busy=OnBusy.ENQUEUE) for text in ("No", "B")]
            await scene.office.runs.stop(stopped)
            assert scene.store.status(stopped) is RunStatus.CANCELLED
            await scene.office.runs.stop(stopped)
            more.set()
            await scene.reads(waits)
    assert told == [
        *[BEGUN[0]] * 2,
        ("run_ended", "assistant", "cancelled", "run_cancelled", between(), None),
        ("run_ended", "assistant", "completed", "", between(), between()),
        ("attempt_begun", "assistant", 1, between()),
        ("run_ended", "assistant", "completed", "", between(), between()),
    ]


async def test_what_people_are_asked_is_told_with_the_end_that_asks_it_and_the_answer_is_a_run_of_its_own(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send", "burn"), says("Done."), tools=deeds.tools) as scene:
        with hearing(*OF_RUNS, signals.tool_called) as told:
            await scene.reads(await scene.asks())
            asked = await ids_of(scene)
            assert told == [
                *BEGUN,
                ("run_ended", "assistant", "interrupted", "", between(), None),
                ("approval_asked", "send"),
                ("approval_asked", "burn"),
            ]
            told.clear()
            await scene.reads(await scene.answers({asked["send"]: YES, asked["burn"]: {"approved": False}}))
    assert sorted(of(told, signals.tool_called)) == [("burn", "rejected", between()), ("send", "ok", between())]
    assert [one for one in told if one[0] != "tool_called"] == [
        *BEGUN,
        ("run_ended", "assistant", "completed", "", between(), between()),
    ]


async def test_a_run_whose_process_died_is_recovered_and_ends_once(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store) as dying:
        run = await dying.asks()
        await until(lambda: b"Half" in written(store, run))
        store.dies(run)
        with hearing(*OF_RUNS) as told:
            async with scenery(says("Whole."), store=store) as living:
                await living.reads(run)
    assert told == [
        ("run_recovered", "assistant"),
        ("attempt_begun", "assistant", 2, between()),
        ("run_ended", "assistant", "completed", "", between(), between()),
    ]


async def test_a_run_that_is_handed_back_is_not_recovered(scenery: Scenery) -> None:
    store = Tables()
    with hearing(*OF_RUNS) as told:
        async with scenery(never(), store=store) as leaving:
            run = await leaving.asks()
            await until_said(leaving, run, "Half ")
        async with scenery(says("Whole."), store=store) as next_one:
            await next_one.reads(run)
    assert told == [
        *BEGUN,
        ("run_handed_back", "assistant"),
        ("attempt_begun", "assistant", 2, between()),
        ("run_ended", "assistant", "completed", "", between(), between()),
    ]


async def test_a_run_that_is_given_up_is_told_as_such_too(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store) as first:
        run = await first.asks()
        await until_said(first, run, "Half ")
        store.dies(run)
        with hearing(*OF_RUNS) as told:
            async with scenery(store=store, RUN_MAX_ATTEMPTS=1) as second:
                await second.reads(run)
    assert [one[:3] for one in of(told, signals.run_ended)] == [("assistant", "failed", "attempts_exhausted")]
    assert of(told, signals.attempts_exhausted) == [("assistant",)]


async def test_an_end_whose_reply_was_lost_is_told_once(scenery: Scenery) -> None:
    async with scenery(says("Well.")) as scene:
        scene.store.lost_replies = 1
        with hearing(signals.run_ended, signals.events_ended) as told:
            await scene.reads(await scene.asks())
    assert of(told, signals.run_ended) == [("assistant", "completed", "", between(), between())]
    assert len(of(told, signals.events_ended)) == 1


async def test_an_end_that_is_no_longer_ours_is_not_told(scenery: Scenery) -> None:
    async with scenery(says("Too late.")) as scene:
        scene.store.finishing.clear()
        with hearing(signals.run_ended, signals.events_ended) as told:
            run = await scene.asks()
            await until(lambda: scene.store.ending == 1)
            live = scene.office.attempts.find(run)
            scene.store.taken_over(run)
            scene.store.finishing.set()
            assert live
            await asyncio.wait_for(live.ended.wait(), 5)
    assert told == []


@pytest.mark.parametrize(("refusals", "ended"), [(1, [("assistant", "failed", "database_refused", between(), between())]), (2, [])])
async def test_an_end_that_the_database_refuses_is_told_as_what_was_written_of_it(
    scenery: Scenery, refusals: int, ended: Sequence[Any]
) -> None:
    async with scenery(says("Poison.")) as scene:
        scene.store.refusals = [DatabaseRefused() for _ in range(refusals)]
        with hearing(signals.run_ended) as told:
            await scene.reads(await scene.asks())
    assert of(told, signals.run_ended) == ended


async def test_every_event_is_counted_once_when_it_is_written(scenery: Scenery) -> None:
    more, rest = asyncio.Event(), asyncio.Event()
    heard = (signals.events_flushed, signals.events_ended, signals.events_not_flushed)
    # It pauses before its end, which would take what is not yet flushed along.
    async with scenery([*says("One two")[:1], more, *says("two three")[:1], rest, *says("two three")[1:]]) as scene:
        with hearing(*heard) as told:
            run = await scene.asks()
            await until(lambda: b"One" in written(scene.store, run))
            scene.store.down = True
            more.set()
            await until(lambda: ("events_not_flushed",) in told)
            scene.store.down = False
            rest.set()
            await scene.reads(run)
    assert sum(count for count, *_ in [*of(told, signals.events_flushed), *of(told, signals.events_ended)]) == len(scene.store.written(run))
    assert len(of(told, signals.events_ended)) == 1
    assert all(seconds == between() for _, seconds in of(told, signals.events_flushed))


async def test_what_a_reader_is_given_from_the_tables_is_counted_and_what_is_no_longer_there(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(says("Well."), store=store) as scene, scenery(store=store) as elsewhere:
        with hearing(signals.events_replayed, signals.event_gap) as told:
            live = await scene.reads(run := await scene.asks())
            assert told == [], "it was read from memory"
            assert await elsewhere.reads(run) == live
            assert sum(count for (count,) in of(told, signals.events_replayed)) == len(live)
            store.log.clear()
            with pytest.raises(EventsExpired):
                await scene.office.tails.check(await scene.office.runs.read(ADA.id, run))
    assert told[-1] == ("event_gap",)


async def test_two_calls_of_one_answer_are_told_as_two(scenery: Scenery) -> None:
    async with scenery(calls(("calculate", '{"expression": "6*7"}')), says("42.")) as scene:
        with hearing(signals.model_called, signals.tool_called) as told:
            await scene.reads(await scene.asks())
    assert [one[0] for one in told] == ["model_called", "tool_called", "model_called"]
    assert of(told, signals.tool_called) == [("calculate", "ok", between())]
