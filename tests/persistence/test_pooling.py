"""A pooler between us and Postgres: what may go through it, and what a server says that was told too little."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from app.errors import SettingsInvalid
from app.persistence import address
from app.persistence.database import open_database
from app.persistence.queue import open_queue, work
from app.settings import DatabaseSettings
from tests.persistence.clients import ask
from tests.scale.programs import PoolerProcess

pytestmark = pytest.mark.proxy

_LISTENING: Final = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'direct' AND query LIKE 'LISTEN%procrastinate%'"


@pytest.fixture
def pooler(database_url: str, tmp_path: Path) -> Iterator[PoolerProcess]:
    with PoolerProcess(tmp_path, database_url) as pooler:
        yield pooler


def settings_of(url: str, direct_url: str = "") -> DatabaseSettings:
    return DatabaseSettings(DATABASE_URL=url, DATABASE_DIRECT_URL=direct_url)


def test_a_pool_by_transaction_needs_a_way_past_it(pooler: PoolerProcess) -> None:
    with (
        pytest.raises(SettingsInvalid, match=r"DATABASE_URL: is a pool by transaction.*DATABASE_DIRECT_URL"),
        address.database_url(settings_of(pooler.url)),
    ):
        pass


def test_the_way_past_a_pool_does_not_lead_through_it(pooler: PoolerProcess) -> None:
    with (
        pytest.raises(SettingsInvalid, match="DATABASE_DIRECT_URL: is a pool by transaction itself"),
        address.database_url(settings_of(pooler.url, pooler.url)),
    ):
        pass


def test_a_pool_that_gives_each_of_its_backends_a_turn_is_noticed_too(database_url: str, tmp_path: Path) -> None:
    with PoolerProcess(tmp_path, database_url, server_round_robin="1") as pooler:
        with psycopg.connect(pooler.url) as first, psycopg.connect(pooler.url) as second:
            assert ask_both(first, second) == 2
        with pytest.raises(SettingsInvalid), address.database_url(settings_of(pooler.url)):
            pass


def ask_both(*connections: "psycopg.Connection[tuple[int]]") -> int:
    """By how many backends they are answered, each in a transaction that goes on."""
    return len({row for connection in connections for row in connection.execute("SELECT pg_backend_pid()")})


def test_a_pool_by_session_is_as_good_as_the_database(database_url: str, tmp_path: Path) -> None:
    with PoolerProcess(tmp_path, database_url, pool_mode="session") as pooler, address.database_url(settings_of(pooler.url)) as url:
        assert url == pooler.url
    with address.database_url(settings_of(database_url)) as url:
        assert url == database_url


async def test_statements_go_through_the_pool_again_and_again(pooler: PoolerProcess, database_url: str) -> None:
    """More often than psycopg takes to prepare them, and by more connections than there are backends."""
    settings = settings_of(pooler.url, database_url)
    async with open_database(pooler.url, settings) as database:
        for _ in range(40):
            async with database.pool.connection() as first, database.pool.connection() as second:
                for connection in (first, second):
                    row = await (await connection.execute("SELECT %s::int AS given", [7])).fetchone()
                    assert row == {"given": 7}


async def test_without_a_pool_what_is_asked_is_prepared_the_first_time(database_url: str) -> None:
    async with open_database(database_url, settings_of(database_url)) as database, database.pool.connection() as connection:
        await connection.execute("SELECT %s::int", [7])
        row = await (await connection.execute("SELECT statement FROM pg_prepared_statements ORDER BY prepare_time LIMIT 1")).fetchone()
    assert row == {"statement": "SELECT $1::int"}


def test_each_backend_has_the_limits_that_a_connection_of_ours_has(pooler: PoolerProcess) -> None:
    with psycopg.connect(pooler.url) as connection:
        limit = connection.execute("SELECT current_setting('statement_timeout'), current_setting('timezone')").fetchone()
    assert limit == ("30s", "UTC")
    assert DatabaseSettings().statement_seconds == 30


async def test_a_worker_hears_of_jobs_past_the_pool(pooler: PoolerProcess, database_url: str) -> None:
    direct = f"{database_url}&application_name=direct"
    async with (
        open_database(pooler.url, settings_of(pooler.url, direct)) as database,
        open_queue(database.pool, {}, [], listens_at=database.direct_url) as queue,
        asyncio.timeout(20),
    ):
        working = asyncio.create_task(work(queue, concurrency=1))
        try:
            while not ask(database_url, _LISTENING):  # noqa: ASYNC110  # another connection makes it true
                await asyncio.sleep(0.05)
        finally:
            working.cancel()
            await asyncio.wait([working])
