"""The event log in Postgres: in batches, in order, and only by the attempt that holds the run."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from app.persistence.accounts import User
from app.persistence.database import Database
from app.persistence.events import EventTable
from app.persistence.sessions import SessionTable
from app.persistence.values import Entry, EventBatch, NewRun, Session
from tests.persistence.rows import Process, claimed, finished


@pytest.fixture
def events(database: Database) -> EventTable:
    return EventTable(database.pool)


def entries(first: int, last: int) -> Sequence[Entry]:
    return [Entry(number, "token", f'{{"content":"{number} \\u0000 é"}}'.encode()) for number in range(first, last + 1)]


def batch(run: NewRun, first: int, last: int, attempt: int = 1) -> EventBatch:
    return EventBatch(run_id=run.id, attempt=attempt, entries=entries(first, last))


async def read_all(events: EventTable, run: NewRun, after: int = 0) -> list[Entry]:
    found: list[Entry] = []
    while more := await events.read(run.id, found[-1].sequence if found else after):
        found += more
    return found


async def test_what_was_written_is_read_from_any_place_in_it(events: EventTable, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    for first in range(1, 301, 2):
        await events.append([batch(run, first, first + 1)])
    for after in (0, 1, 2, 150, 299, 300, 400):
        assert await read_all(events, run, after) == entries(after + 1, 300)


async def test_many_runs_are_written_in_one_go_and_those_of_other_attempts_left_out(
    database: Database, events: EventTable, here: Process, user: User
) -> None:
    claims = [await claimed(here, user, await SessionTable(database).add(user.id, "")) for _ in range(3)]
    assert await events.append([batch(claims[0], 1, 5), batch(claims[1], 1, 5, attempt=2), batch(claims[2], 1, 1)]) == {
        (claims[0].id, 1),
        (claims[2].id, 1),
    }
    assert [len(await read_all(events, run)) for run in claims] == [5, 0, 1]


async def test_what_is_written_again_because_the_reply_was_lost_is_there_once(
    events: EventTable, here: Process, user: User, session: Session
) -> None:
    run = await claimed(here, user, session)
    for last in (3, 5):
        assert await events.append([batch(run, 1, last)]) == {(run.id, 1)}
    assert await here.runs.finish(finished(run, events=entries(1, 7)))
    assert await read_all(events, run) == entries(1, 7)


async def test_the_log_ends_with_the_run(events: EventTable, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    await events.append([batch(run, 1, 3)])
    assert not await events.has_ended(run.id)
    assert not await events.is_gone(run.id)
    assert await here.runs.finish(finished(run, events=[*entries(4, 5), Entry(6, "end", b"{}")]))
    assert await events.has_ended(run.id)
    assert [entry.sequence for entry in await read_all(events, run)] == [1, 2, 3, 4, 5, 6]
    assert await events.append([batch(run, 7, 8)]) == set()
    assert len(await read_all(events, run)) == 6


async def test_a_run_nobody_knows_has_ended_and_has_no_log(events: EventTable) -> None:
    assert await events.has_ended(uuid4())
    assert not await events.is_kept(uuid4())
    assert await events.is_gone(uuid4())


async def test_nothing_to_write_is_nothing_written(events: EventTable) -> None:
    assert await events.append([]) == set()


async def test_old_events_are_forgotten_except_those_of_live_runs(
    database: Database, events: EventTable, here: Process, user: User, session: Session
) -> None:
    live = await claimed(here, user, session)
    over = await claimed(here, user, await SessionTable(database).add(user.id, ""))
    await events.append([batch(live, 1, 2), batch(over, 1, 2)])
    assert await here.runs.finish(finished(over, events=entries(3, 3)))
    assert await events.forget(60) == 0
    assert await events.forget(-1) == 2
    assert (await events.is_kept(live.id), await events.is_kept(over.id)) == (True, False)
