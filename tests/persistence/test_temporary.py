"""Temporary sessions that are over: found, and deleted unless somebody goes on talking."""

import asyncio
from uuid import UUID

import psycopg
import pytest

from app.persistence.accounts import User
from app.persistence.configured import Held
from app.persistence.database import Database, execute
from app.persistence.sessions import SessionTable
from app.persistence.temporary import TemporarySessions
from app.persistence.values import Session
from tests.persistence.moments import once, until_waiting
from tests.persistence.rows import Process, claimed, finished

_HOUR = 3600
_START = UUID(int=0)


@pytest.fixture
def temporary(database: Database) -> TemporarySessions:
    return TemporarySessions(database)


async def _silent(database: Database, user: User, hours: float = 2) -> Session:
    session = await SessionTable(database).add(user.id, "", Held(temporary=True))
    await _age(database, session, hours)
    return session


async def _age(database: Database, session: Session, hours: float) -> None:
    statement = "UPDATE session SET updated_at = now() - make_interval(secs => %(seconds)s) WHERE id = %(id)s"
    await execute(database.pool, statement, {"id": session.id, "seconds": hours * _HOUR})


async def test_those_that_are_over_are_found_a_few_at_a_time(database: Database, temporary: TemporarySessions, user: User) -> None:
    made = [(await _silent(database, user)).id for _ in range(3)]
    first = await temporary.over(_HOUR, after=_START, limit=2)
    assert [*first, *await temporary.over(_HOUR, after=first[-1], limit=2)] == made
    assert await temporary.over(3 * _HOUR, after=_START, limit=2) == []


async def test_one_that_is_answering_is_not_over(database: Database, here: Process, temporary: TemporarySessions, user: User) -> None:
    session = await _silent(database, user)
    run = await claimed(here, user, session)
    await _age(database, session, 2)
    assert await temporary.over(_HOUR, after=_START, limit=2) == []
    assert not await temporary.delete(session.id, _HOUR)
    assert await here.runs.finish(finished(run))
    assert await temporary.over(_HOUR, after=_START, limit=2) == [session.id]
    assert await temporary.delete(session.id, _HOUR)
    assert not await temporary.delete(session.id, _HOUR), "another worker has done it"


async def test_what_is_said_at_the_last_moment_keeps_it(
    database: Database, database_url: str, temporary: TemporarySessions, user: User
) -> None:
    session = await _silent(database, user)
    async with await psycopg.AsyncConnection.connect(database_url) as talking:
        await talking.execute("UPDATE session SET updated_at = now() WHERE id = %s", [session.id])
        deleting = asyncio.create_task(temporary.delete(session.id, _HOUR))
        await once(until_waiting(database_url, 1))
        await talking.commit()
    assert not await deleting
    assert await SessionTable(database).read(user.id, session.id)
