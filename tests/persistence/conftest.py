"""An open database of the test's own, with somebody in it, and a process that uses it."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import pytest_asyncio

from app.persistence.accounts import User
from app.persistence.database import Database, open_database
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.persistence.values import Session
from app.settings import Settings
from tests.databases import new_database
from tests.persistence.rows import Process, process


@pytest_asyncio.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings.database.url, settings.database) as database:
        yield database


@pytest_asyncio.fixture
async def user(database: Database) -> User:
    return await UserTable(database).add("ada@example.com", "not-a-hash")


@pytest_asyncio.fixture
async def session(database: Database, user: User) -> Session:
    return await SessionTable(database).add(user.id, "")


@pytest.fixture
def here(database: Database) -> Process:
    """A process, as which most tests act."""
    return process(database)


@pytest.fixture
def empty(postgres: str) -> Iterator[str]:
    """The address of a database without tables."""
    with new_database(postgres, f"empty_{uuid4().hex}") as url:
        yield url
