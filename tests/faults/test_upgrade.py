"""A rolling upgrade: the release before this one goes on under the new schema, beside this one, and can come back."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import psycopg
import pytest
import pytest_asyncio

from app.persistence import migrate, revisions
from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.previous import unpack
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of

_ANSWERS: Final = [f"Answer {number}." for number in range(1, 7)]


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return unpack(tmp_path / "before")


@pytest_asyncio.fixture
async def old(before: Path, database_url: str, process_variables: Mapping[str, str], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server of the release before on its own schema."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    await asyncio.to_thread(_migrated, before, process_variables)
    async with ServerProcess(process_variables, tmp_path / "old.log", root=before) as server:
        yield server


def _migrated(root: Path, variables: Mapping[str, str]) -> str:
    """What `migrate up` of that code says."""
    command = [sys.executable, "-m", "app", "migrate", "up"]
    done = subprocess.run(command, cwd=root, env=dict(variables), capture_output=True, text=True, check=False)  # noqa: S603  # our own module
    assert done.returncode == 0, done.stderr
    return done.stdout


async def _asks(visitor: Visitor, session: str, number: int) -> str:
    """Ask, and read the answer as it comes."""
    return text_of(await visitor.stream(session, f"Question {number}?"))


async def test_two_releases_hold_one_conversation_on_the_schema_of_the_newer(
    door: Door, old: ServerProcess, provider: ProviderStub, process_variables: Mapping[str, str], tmp_path: Path
) -> None:
    database_url = process_variables["DATABASE_URL"]
    await provider.script(*map(Text, _ANSWERS))
    at_old = await door.enter(old)
    session = await at_old.open_session()
    said = [await _asks(at_old, session, 1)]
    was = await asyncio.to_thread(migrate.current, database_url)
    assert was != revisions.head(), "a release without migrations of its own: choose an earlier one, or this tries nothing"

    await asyncio.to_thread(migrate.up, database_url)  # while it runs, as a deploy does
    assert await asyncio.to_thread(migrate.check, database_url) == []
    said.append(await _asks(at_old, session, 2))
    async with ServerProcess(process_variables, tmp_path / "new.log") as new:
        at_new = await door.enter(new)
        said.append(await _asks(at_new, session, 3))
        said.append(await _asks(at_old, session, 4))
        old.kill()
        said.append(await _asks(at_new, session, 5))

    await old.start()  # the upgrade is taken back; the schema stays
    back = await door.enter(old)
    said.append(await _asks(back, session, 6))
    assert said == _ANSWERS
    contents = [message["content"] for message in (await provider.requests("Question 6?"))[-1].messages]
    assert [content for content in contents if content in _ANSWERS] == _ANSWERS[:5]
    assert [message["status"] for message in await back.messages(session)] == ["completed"] * 12
