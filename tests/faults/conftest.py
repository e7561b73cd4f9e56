"""Two servers on one database, as processes."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.faults.server_process import ServerProcess
from tests.visitor import Visitor

LEASE_SECONDS: Final = 1.5


class Door:
    """Lets the same user in at any server."""

    def __init__(self) -> None:
        self._visitors: list[Visitor] = []

    async def enter(self, server: ServerProcess) -> Visitor:
        visitor = Visitor(server.url)
        if self._visitors:
            visitor.http.headers["Authorization"] = self._visitors[0].http.headers["Authorization"]
        else:
            await visitor.register("ada@example.com")
        self._visitors.append(visitor)
        return visitor

    async def close(self) -> None:
        for visitor in self._visitors:
            await visitor.http.aclose()


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    yield door
    await door.close()


@pytest.fixture
def process_variables(variables_of_test: Mapping[str, str]) -> dict[str, str]:
    return {**variables_of_test, "LEASE_SECONDS": str(LEASE_SECONDS), "LOG_FORMAT": "json"}


@pytest_asyncio.fixture
async def first(process_variables: Mapping[str, str], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(process_variables, tmp_path / "first.log") as server:
        yield server


@pytest_asyncio.fixture
async def second(first: ServerProcess, process_variables: Mapping[str, str], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """Another server on the first one's database and with its key."""
    assert first.port
    async with ServerProcess(process_variables, tmp_path / "second.log") as server:
        yield server
