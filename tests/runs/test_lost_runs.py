"""When the database, the process or the run itself goes away: nothing hangs, and the run ends once."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from app.errors import (
    DatabaseUnavailable,
    ServerStopping,
)
from tests.fakes import RunsInMemory, says
from tests.runs.conftest import Scene, Scenery
from tests.runs.reading import kinds, never, text_of, until, until_said


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
