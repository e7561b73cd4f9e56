"""The write of a run's end meets a database that is away, refuses, or answers too late: a run has one end, the one that is told."""

import asyncio

import pytest

from app.errors import DatabaseRefused, DatabaseUnavailable
from app.persistence.values import RunStatus
from app.runs.answer import whole_answer
from tests.fakes import says
from tests.runs.conftest import Scene, Scenery
from tests.runs.reading import kinds, never, text_of, until, until_said
from tests.runs.tables import Tables


async def test_an_end_that_cannot_be_written_at_once_is_written_later(scenery: Scenery) -> None:
    async with scenery(says("At noon.")) as scene:
        scene.store.refusals += [DatabaseUnavailable(), DatabaseUnavailable()]
        run = await scene.asks()
        events = await scene.reads(run)
        assert kinds(events) == ["start", "token", "token", "usage", "end"]
        assert events[-1][1]["status"] == "completed"
        assert scene.store.ending == 3
        assert [(end.status, end.content) for end in scene.store.finished] == [(RunStatus.COMPLETED, "At noon.")]
        assert kinds(await scene.reads(run)) == kinds(events), "told once, from the database too"


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.CANCELLED])
async def test_an_end_whose_reply_was_lost_is_written_once_and_told(scenery: Scenery, status: RunStatus) -> None:
    async with scenery(never() if status is RunStatus.CANCELLED else says("At noon.")) as scene:
        scene.store.lost_replies = 1
        run = await scene.asks()
        [live] = scene.office.attempts
        if status is RunStatus.CANCELLED:
            await until_said(scene, run, "Half ")
            await scene.office.runs.stop(run)
        events = await scene.reads(run)
        assert (events[-1][1]["status"], kinds(events).count("end")) == (status, 1)
        assert [end.status for end in scene.store.finished] == [status]
        assert [entry.type for entry in live.log.following(()).entries][-1] == "end", "its own readers need not ask the database"


async def test_an_end_that_was_written_otherwise_while_the_database_was_away_is_not_told(scenery: Scenery) -> None:
    async with scenery(says("At noon."), LEASE_SECONDS=5) as scene:
        scene.store.finishing.clear()
        run = await scene.asks()
        await until(lambda: scene.store.ending == 1)
        [live] = scene.office.attempts
        scene.store.refusals.append(DatabaseUnavailable())
        scene.store.taken_over(run)
        scene.store.finishing.set()
        await asyncio.wait_for(live.ended.wait(), 5)
        assert scene.store.ending == 2
        assert scene.store.finished == []
        assert "end" not in [entry.type for entry in live.log.following(()).entries]


async def test_while_the_database_is_away_no_end_is_told_and_another_attempt_tells_it(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(says("At noon."), says("At night."), store=store, LEASE_SECONDS=0.2) as scene:
        store.finishing.clear()
        run = await scene.asks()
        await until(lambda: store.ending == 1)
        [live] = scene.office.attempts
        reading = asyncio.create_task(scene.reads(run))
        store.down = True
        store.finishing.set()
        await asyncio.wait_for(live.ended.wait(), 5)
        assert (scene.live(), store.finished, reading.done()) == ([], [], False)
        assert store.ending > 1, "it was tried again"
        store.down, renewals = False, store.renewals
        store.renewed.clear()
        await until(lambda: store.renewals > renewals + 1)
        assert run not in store.renewed, "its lease must run out, or the session would never be free"
        store.dies(run)
        events = await reading
    first, again = events[: kinds(events).index("reset")], events[kinds(events).index("reset") :]
    assert kinds(first) == ["start", "token", "token"]
    assert (text_of(again), again[-1][1]["status"], kinds(events).count("end")) == ("At noon.", "completed", 1)
    assert [(end.attempt, end.content) for end in store.finished] == [(2, "At noon.")]
    assert len(scene.chat.asked) == 1, "the answer was in a checkpoint"


@pytest.mark.parametrize("refusals", [1, 2], ids=["the answer", "that it failed, too"])
async def test_an_end_that_is_refused_is_told_once_as_an_error(scenery: Scenery, refusals: int) -> None:
    async with scenery(says("At noon."), says("Again.")) as scene:
        scene.store.refusals += [DatabaseRefused() for _ in range(refusals)]
        events = await scene.reads(await scene.asks())
        assert kinds(events) == ["start", "token", "token", "usage", "error", "end"]
        assert (events[-2][1]["code"], events[-1][1]["status"]) == ("database_refused", "failed")
        written = [(end.status, end.error_code, end.content) for end in scene.store.finished]
        assert written == ([(RunStatus.FAILED, "database_refused", "")] if refusals == 1 else [])
        assert scene.live() == []


async def test_nothing_begins_while_the_database_is_away(scenery: Scenery) -> None:
    async with scenery() as scene:
        scene.store.down = True
        with pytest.raises(DatabaseUnavailable):
            await scene.asks()
        assert scene.live() == []


async def test_a_reader_elsewhere_outlives_a_database_that_is_away(scenery: Scenery) -> None:
    store, more = Tables(), asyncio.Event()
    async with scenery([*says("Half an ")[:1], more, *says("hour.")], store=store) as making, scenery(store=store) as other:
        run = await making.asks()
        reading = asyncio.create_task(other.reads(run))
        await until_said(other, run, "Half ")
        store.down = True
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reading), 0.2)
        store.down = False
        more.set()
        assert (text_of(await reading), reading.result()[-1][0]) == ("Half hour.", "end")


async def test_a_reader_is_told_when_the_database_stays_away(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store) as making, scenery(store=store, LEASE_SECONDS=0.1) as other:
        run = await making.asks()
        reading = asyncio.create_task(other.reads(run))
        await until_said(other, run, "Half ")
        store.down = True
        with pytest.raises(DatabaseUnavailable):
            await reading
        store.down = False


async def test_closing_ends_every_reader_of_a_run_that_is_made_elsewhere(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store) as making, scenery(store=store) as other:
        run = await making.asks()
        reading = [asyncio.create_task(read_patiently(other, run)) for _ in range(3)]
        await until_said(other, run, "Half ")
        other.office.tails.close()
        assert await asyncio.wait_for(asyncio.gather(*reading), 5) == [["start", "token"]] * 3
        assert await read_patiently(other, run) == [], "nor does another begin"
        with pytest.raises(Exception, match="stopped in the middle") as caught:
            await whole_answer(other.office.tails, run, silence_seconds=60)
        assert type(caught.value).__name__ == "RunLost"
        assert making.live() == [run]


async def read_patiently(scene: Scene, run: object) -> list[str]:
    """Read without ever hearing silence, so that only news ends it."""
    return [entry.type async for entries in scene.office.tails.read(run, silence_seconds=60) for entry in entries]  # type: ignore[arg-type]
