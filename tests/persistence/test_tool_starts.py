"""Calls that must not be repeated are written down before they are made, by the attempt that holds the run."""

import asyncio
from collections import Counter

import pytest

from app.errors import RunLost
from app.persistence.accounts import User
from app.persistence.database import Database, fetch_all
from app.persistence.tool_starts import ToolStarts
from app.persistence.values import Session
from tests.persistence.rows import Process, answered, claimed, finished, process


async def starts_of(database: Database) -> int:
    return len(await fetch_all(database.pool, "SELECT FROM tool_start", {}))


async def test_a_call_is_begun_once_in_a_run(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    starts = ToolStarts(database.pool, run.id, 1)
    assert [await starts.begin(task) for task in ("tools:1", "tools:2", "tools:1")] == [True, True, False]
    assert await starts_of(database) == 2


async def test_a_later_attempt_learns_what_an_earlier_one_has_begun(database: Database, user: User, session: Session) -> None:
    dying = process(database, lease_seconds=-1)
    run = await claimed(dying, user, session)
    assert await ToolStarts(database.pool, run.id, 1).begin("tools:1")
    assert await process(database).runs.take(20, [])
    later = ToolStarts(database.pool, run.id, 2)
    assert [await later.begin(task) for task in ("tools:1", "tools:2")] == [False, True]


async def test_another_run_begins_its_own_calls(database: Database, here: Process, user: User, session: Session) -> None:
    first = await claimed(here, user, session)
    assert await ToolStarts(database.pool, first.id, 1).begin("tools:1")
    assert await here.runs.finish(finished(first))
    second = await claimed(here, user, session)
    assert await ToolStarts(database.pool, second.id, 1).begin("tools:1")


async def test_of_several_who_begin_a_call_at_once_one_is_first(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    begun = await asyncio.gather(*(ToolStarts(database.pool, run.id, 1).begin("tools:1") for _ in range(5)))
    assert Counter(begun) == {True: 1, False: 4}


@pytest.mark.parametrize("attempt", [0, 2])
async def test_an_attempt_that_does_not_hold_the_run_begins_nothing(
    database: Database, here: Process, user: User, session: Session, attempt: int
) -> None:
    run = await claimed(here, user, session)
    with pytest.raises(RunLost):
        await ToolStarts(database.pool, run.id, attempt).begin("tools:1")
    assert await starts_of(database) == 0


async def test_a_run_that_has_ended_begins_nothing(database: Database, here: Process, user: User, session: Session) -> None:
    run = await answered(here, user, session)
    with pytest.raises(RunLost):
        await ToolStarts(database.pool, run.id, 1).begin("tools:1")
    assert await starts_of(database) == 0
