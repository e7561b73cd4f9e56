"""Whatever the database does to us becomes one error of ours; a bug stays what it is."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from app.errors import DatabaseRefused, DatabaseUnavailable
from app.persistence import migrate
from app.persistence.accounts import User
from app.persistence.database import Database, database_errors, fetch_all, open_database
from app.persistence.pools import state_of
from app.persistence.runs import RunTable
from app.persistence.sessions import SessionTable
from app.settings import DatabaseSettings, Settings
from tests.persistence.moments import once, until_waiting


@pytest_asyncio.fixture
async def unmigrated(settings: Settings) -> AsyncIterator[Database]:
    migrate.down(settings.database.url, "base")
    async with open_database(settings.database.url, settings.database) as database:
        yield database


async def test_a_schema_that_is_not_ours_yet_is_told_in_words(unmigrated: Database) -> None:
    for question in (
        RunTable(unmigrated.pool, owner=uuid4(), lease_seconds=1).renew_leases([]),
        SessionTable(unmigrated).page(uuid4(), limit=1, before=None, search=""),
    ):
        with pytest.raises(DatabaseUnavailable, match="schema is not the one"):
            await question


async def test_a_connection_that_is_cut_is_told_and_the_next_query_has_another(database: Database, user: User) -> None:
    with pytest.raises(DatabaseUnavailable), database_errors():
        async with database.pool.connection() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await SessionTable(database).page(user.id, limit=1, before=None, search="") == []


async def test_a_pool_without_a_free_connection_is_told_after_its_patience(database_url: str) -> None:
    settings = DatabaseSettings(DATABASE_POOL_SIZE=2, DATABASE_CONNECT_SECONDS=0.3)
    async with open_database(database_url, settings) as database, database.pool.connection(), database.pool.connection():
        with pytest.raises(DatabaseUnavailable):
            await RunTable(database.pool, owner=uuid4(), lease_seconds=1).renew_leases([])


async def test_a_mistake_in_our_sql_is_not_taken_for_an_absent_database(database: Database) -> None:
    with pytest.raises(DatabaseRefused) as refused, database_errors():
        async with database.pool.connection() as connection:
            await connection.execute("SELEKT 1")
    assert isinstance(refused.value.__cause__, psycopg.errors.SyntaxError)


async def test_a_statement_alone_gives_its_connection_back_also_when_it_fails_or_is_given_up(
    database: Database, settings: Settings
) -> None:
    with pytest.raises(DatabaseRefused):
        await fetch_all(database.pool, "SELEKT 1", {})
    async with database.pool.connection() as other, other.transaction():
        await other.execute("LOCK TABLE session")
        asking = asyncio.create_task(fetch_all(database.pool, "SELECT id FROM session", {}))
        await once(until_waiting(settings.database.url, 1))
        asking.cancel()
        await asyncio.wait([asking])
    assert asking.cancelled()
    assert state_of(database.pool).used == 0
    assert await fetch_all(database.pool, "SELECT 1 AS given", {}) == [{"given": 1}]


@pytest.mark.parametrize("steps", range(1, 30, 2))
async def test_who_gives_up_while_a_database_is_opened_leaves_nobody_connecting(steps: int, database_url: str) -> None:
    """What was left went on for ever, and with it the loop."""
    before = asyncio.all_tasks()

    async def open_and_use() -> None:
        async with open_database(database_url, DatabaseSettings()):
            await asyncio.Event().wait()

    opening = asyncio.create_task(open_and_use())
    for _ in range(steps):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    assert asyncio.all_tasks() - before == set()
