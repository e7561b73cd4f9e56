"""Postgres is killed and started again in the middle of answers."""

import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import pytest_asyncio

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import text_of, types_of

WORDS: Final = "one two three four five six seven eight nine ten"


@pytest_asyncio.fixture
async def embedded(process_variables: Mapping[str, str], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server on an embedded Postgres of its own."""
    variables = {**process_variables, "DATABASE_URL": "", "MIGRATE_ON_START": "true", "LEASE_SECONDS": "10", "HEARTBEAT_SECONDS": "0.5"}
    async with ServerProcess(variables, tmp_path / "embedded.log") as server:
        yield server


def _kill_postgres(variables: Mapping[str, str]) -> None:
    file = Path(variables["DATA_DIR"], "postgres-18", "postmaster.pid")
    os.kill(int(file.read_text().partition("\n")[0]), signal.SIGKILL)


async def test_an_answer_survives_the_death_of_its_database(
    door: Door, embedded: ServerProcess, provider: ProviderStub, process_variables: Mapping[str, str]
) -> None:
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "6*7"})]), Text(WORDS, seconds_between=0.3))
    ada = await door.enter(embedded)
    session = await ada.open_session()
    async with ada.streaming(session, "Count to ten") as events:
        read = []
        async for event in events:
            read.append(event)
            if text_of(read) == "one two":
                _kill_postgres(process_variables)
    assert text_of(read) == WORDS
    assert types_of(read) == ["start", "tool_call", "tool_result", "token", "usage", "end"]
    assert read[-1].data["status"] == "completed"
    assert await ada.read_on(read[0].data["run_id"]) == read
    assert [message["content"] for message in await ada.messages(session)] == ["Count to ten", WORDS]
    assert (await ada.ask(session, "And now?")).json()["status"] == "completed"
