"""News of runs through Redis: they come, and nothing waits for them when it is gone, silent or back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio
from fastapi import Response
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from app.api.health import Health, HealthReport, report
from app.errors import SettingsInvalid
from app.persistence.accounts import User
from app.persistence.channels import EVENTS
from app.persistence.database import Database
from app.persistence.events import EventTable
from app.persistence.health import DatabaseHealth
from app.persistence.redis_notices import ANSWER_SECONDS, IDS_PER_NOTICE, SILENCE_SECONDS, RedisNotices, open_redis_notices
from app.persistence.runs import RunTable
from app.persistence.shared import open_shared_notices
from app.persistence.turns import TurnTable
from app.persistence.values import Entry, EventBatch, NewRun, Session
from app.settings import Environment, RedisSettings
from tests.persistence.rows import finished, new_run
from tests.valkey_process import ValkeyProcess

# Far below what a try at a Redis that says nothing takes.
AT_ONCE_SECONDS: Final = 0.5


class Process:
    """What one process has of Redis: its notices, and what its ear has heard."""

    def __init__(self, notices: RedisNotices) -> None:
        self.notices = notices
        self.heard: list[str] = []
        self.times_deaf = 0

    def deaf(self) -> None:
        self.times_deaf += 1

    def heard_of(self, *run_ids: UUID) -> bool:
        return {str(run_id) for run_id in run_ids} <= {one for notice in self.heard for one in notice.split(",")}


class Settled:
    """A server whose runs are what they are."""

    is_stopping = False


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Process]:
    async with open_redis_notices(RedisSettings(REDIS_URL=SecretStr(url))) as notices:
        assert notices
        opened = Process(notices)
        ear = asyncio.create_task(notices.listen(opened.heard.append, opened.deaf))
        yield opened
        ear.cancel()
        await asyncio.wait([ear])


@pytest_asyncio.fixture
async def two(valkey: ValkeyProcess) -> AsyncIterator[tuple[Process, Process]]:
    async with AsyncExitStack() as stack:
        here, there = [await stack.enter_async_context(process(valkey.url)) for _ in range(2)]
        await until(lambda: here.notices.is_well and there.notices.is_well)
        yield here, there


@pytest_asyncio.fixture
async def run(database: Database, user: User, session: Session) -> NewRun:
    claimed = new_run(user, session)
    assert await TurnTable(database.pool, owner=uuid7(), lease_seconds=60).claim(claimed)
    return claimed


def runs_of(database: Database, told: Process | None = None) -> RunTable:
    return RunTable(database.pool, owner=uuid7(), lease_seconds=60, tell=told.notices.tell if told else None)


async def until(true: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # another process makes it true
            await asyncio.sleep(0.01)


async def append(database: Database, told: Process, run: NewRun, sequence: int = 1) -> None:
    """Write an event, and do not wait for Redis."""
    batch = EventBatch(run_id=run.id, attempt=1, entries=[Entry(sequence, "token", b"{}")])
    async with asyncio.timeout(AT_ONCE_SECONDS):
        assert await EventTable(database.pool, told.notices.tell).append([batch]) == {(run.id, 1)}


async def health_with(database: Database, notices: RedisNotices) -> tuple[int, HealthReport]:
    health = Health(
        schema=DatabaseHealth(database.pool),
        notices=notices,
        runs=Settled(),
        patience_seconds=5,
        environment=Environment.TEST,
        version="0",
        demo=False,
    )
    told = await report(health, response := Response())
    return response.status_code, told


async def test_what_is_written_and_what_ends_is_heard_elsewhere_and_postgres_tells_nobody(
    two: tuple[Process, Process], database: Database, database_url: str, run: NewRun
) -> None:
    here, there = two
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as postgres:
        await postgres.execute(f"LISTEN {EVENTS}")
        await append(database, here, run)
        await until(lambda: there.heard == [str(run.id)])
        assert await runs_of(database, here).finish(finished(run, events=[Entry(2, "end", b"{}")]))
        await until(lambda: there.heard == [str(run.id)] * 2)
        assert [notice async for notice in postgres.notifies(timeout=0.2)] == []


async def test_what_an_attempt_no_longer_holds_is_no_news(two: tuple[Process, Process], database: Database, run: NewRun) -> None:
    here, there = two
    lost = EventBatch(run_id=run.id, attempt=2, entries=[Entry(1, "token", b"{}")])
    assert await EventTable(database.pool, here.notices.tell).append([lost]) == set()
    assert not await runs_of(database, here).finish(finished(run, attempt=2))
    here.notices.tell([marker := uuid7()])
    await until(lambda: there.heard == [str(marker)])


async def test_many_runs_are_few_notices(two: tuple[Process, Process]) -> None:
    here, there = two
    run_ids = [uuid7() for _ in range(2 * IDS_PER_NOTICE + 1)]
    here.notices.tell([*run_ids, *run_ids])
    await until(lambda: len(there.heard) == 3)
    assert Counter(one for notice in there.heard for one in notice.split(",")) == Counter(map(str, run_ids))
    assert max(notice.count(",") + 1 for notice in there.heard) == IDS_PER_NOTICE


async def test_a_process_that_ends_tells_what_it_has_not_told(valkey: ValkeyProcess, two: tuple[Process, Process]) -> None:
    _, there = two
    async with process(valkey.url) as ending:
        ending.notices.tell([last := uuid7()])
    await until(lambda: there.heard_of(last))


async def test_a_killed_redis_fails_no_write_and_is_heard_again_when_it_is_back(
    valkey: ValkeyProcess, two: tuple[Process, Process], database: Database, run: NewRun
) -> None:
    here, there = two
    valkey.kill()
    for sequence in (1, 2, 3):
        await append(database, here, run, sequence)
    await until(lambda: not here.notices.is_well and not there.notices.is_well)
    assert (there.times_deaf, there.heard) == (1, [])
    valkey.start()
    await until(lambda: here.notices.is_well and there.notices.is_well)
    assert (here.times_deaf, there.times_deaf) == (2, 2)
    there.heard.clear()
    await append(database, here, run, 4)
    await until(lambda: there.heard_of(run.id))


async def test_a_frozen_redis_holds_nobody_up_and_is_found_out(
    valkey: ValkeyProcess, two: tuple[Process, Process], database: Database, run: NewRun
) -> None:
    here, there = two
    valkey.freeze()
    for sequence in (1, 2, 3):
        await append(database, here, run, sequence)
    async with asyncio.timeout(AT_ONCE_SECONDS):
        assert await runs_of(database, here).finish(finished(run, events=[Entry(4, "end", b"{}")]))
    # A side that only listens has no other way to learn of it than to ask.
    await until(lambda: not there.notices.is_well)
    valkey.thaw()
    await until(lambda: here.notices.is_well and there.notices.is_well)
    assert there.times_deaf == 2
    here.notices.tell([after := uuid7()])
    await until(lambda: there.heard_of(after))


async def test_a_redis_with_nothing_to_say_is_not_taken_for_a_lost_one(two: tuple[Process, Process]) -> None:
    _, there = two
    await asyncio.sleep(SILENCE_SECONDS + ANSWER_SECONDS + 0.5)  # that nothing happens can only be waited for
    assert there.notices.is_well
    assert there.times_deaf == 1


async def test_a_redis_that_comes_late_is_joined(valkey: ValkeyProcess) -> None:
    valkey.kill()
    async with process(valkey.url) as here, process(valkey.url) as there:
        here.notices.tell([first := uuid7()])
        valkey.start()
        await until(lambda: here.notices.is_well and there.notices.is_well)
        here.notices.tell([second := uuid7()])
        await until(lambda: there.heard_of(second))
        assert first != second


async def test_what_others_say_on_the_channel_does_no_harm(two: tuple[Process, Process]) -> None:
    here, there = two
    await here.notices._client.publish(EVENTS, b"\xff\xfe")
    here.notices.tell([after := uuid7()])
    await until(lambda: there.heard_of(after))


async def test_health_names_redis_and_is_ready_without_it(valkey: ValkeyProcess, two: tuple[Process, Process], database: Database) -> None:
    here, _ = two
    status, told = await health_with(database, here.notices)
    assert (status, told.status, told.dependencies["redis"].status) == (200, "ok", "ok")
    valkey.kill()
    await until(lambda: not here.notices.is_well)
    status, told = await health_with(database, here.notices)
    assert (status, told.status, told.dependencies["redis"].status) == (200, "degraded", "degraded")
    assert told.dependencies["database"].status == "ok"


async def test_without_an_address_there_are_no_notices() -> None:
    async with open_shared_notices(RedisSettings(REDIS_URL=SecretStr(""))) as notices:
        assert notices is None


@pytest.mark.parametrize("url", ["nonsense:canary", "redis://:canary@127.0.0.1:port", "redis://:canary@127.0.0.1?no_such_option=1"])
async def test_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^REDIS_URL: ") as refused:
        async with open_redis_notices(RedisSettings(REDIS_URL=SecretStr(url))):
            pass
    assert "canary" not in refused.value.detail
    assert refused.value.__suppress_context__
