"""The server as a process with a database of its own: what a kill leaves behind, which is nothing but what was said."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest
import pytest_asyncio

from tests.faults.server_process import ServerProcess
from tests.persistence.clients import eventually, nothing_runs
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of

GONE_SECONDS: Final = 2
LEASE_SECONDS: Final = 1.5


@pytest.fixture
def variables(variables_of_test: Mapping[str, str]) -> dict[str, str]:
    """A server with an embedded Postgres, as `make dev` has."""
    own = {"DATABASE_URL": "", "MIGRATE_ON_START": "true", "LEASE_SECONDS": str(LEASE_SECONDS), "DRAIN_SECONDS": "1"}
    return {**variables_of_test, **own}


@pytest_asyncio.fixture
async def process(variables: Mapping[str, str], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(variables, tmp_path / "server.log") as server:
        yield server


@pytest_asyncio.fixture
async def visitor(process: ServerProcess) -> AsyncIterator[Visitor]:
    async with Visitor(process.url) as visitor:
        await visitor.register("ada@example.com")
        yield visitor


async def contents(visitor: Visitor, session: str) -> list[tuple[str, str, str]]:
    return [(message["role"], message["content"], message["status"]) for message in await visitor.messages(session)]


async def in_the_middle_of_an_answer(visitor: Visitor, provider: ProviderStub, session: str) -> None:
    """Return when some of an answer has been read whose rest never comes; the reader has hung up."""
    await provider.script(Text("one two three four", ending="hang", after=2))
    async with visitor.streaming(session, "Count to four") as events:
        async for event in events:
            if event.data.get("content", "").endswith(" two"):
                return


def family(process: ServerProcess) -> list[psutil.Process]:
    assert process.process
    parent = psutil.Process(process.process.pid)
    return [parent, *parent.children(recursive=True)]


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


async def test_what_was_said_outlives_a_server_that_is_killed_in_the_middle_of_an_answer(
    process: ServerProcess, visitor: Visitor, provider: ProviderStub, variables: Mapping[str, str]
) -> None:
    session = await visitor.open_session()
    await provider.script(Text("Hello Ada."))
    await visitor.ask(session, "Hello")
    await in_the_middle_of_an_answer(visitor, provider, session)
    process.kill()
    assert eventually(lambda: nothing_runs(Path(variables["DATA_DIR"])), GONE_SECONDS), "a Postgres was left behind"

    await provider.script(Text("one two three four"))
    await process.start()
    before = [("user", "Hello", "completed"), ("assistant", "Hello Ada.", "completed"), ("user", "Count to four", "completed")]
    assert (await contents(visitor, session))[:3] == before
    assert await until_answered(visitor, session, messages=4) == [*before, ("assistant", "one two three four", "completed")]

    await provider.script(Text("You are welcome."))
    answer = await visitor.ask(session, "Thank you")
    assert answer.json()["message"]["content"] == "You are welcome."
    asked = await provider.requests(containing="Thank you")
    assert [(message["role"], message["content"]) for message in asked[-1].messages[1:]] == [
        ("user", "Hello"),
        ("assistant", "Hello Ada."),
        ("user", "Count to four"),
        ("assistant", "one two three four"),
        ("user", "Thank you"),
    ]


def to_it_alone(number: signal.Signals) -> Callable[[int], None]:
    return lambda pid: os.kill(pid, number)


def to_its_group(number: signal.Signals) -> Callable[[int], None]:
    """As a terminal does at Ctrl-C."""
    return lambda pid: os.killpg(pid, number)


@pytest.mark.parametrize(
    "told",
    [(to_it_alone(signal.SIGTERM), -signal.SIGTERM), (to_its_group(signal.SIGINT), 0)],
    ids=["SIGTERM", "Ctrl-C"],
)
async def test_a_server_that_is_told_to_stop_lets_a_live_answer_be_made_by_the_next(
    process: ServerProcess,
    visitor: Visitor,
    provider: ProviderStub,
    variables: Mapping[str, str],
    told: tuple[Callable[[int], None], int],
) -> None:
    tell, code = told
    session = await visitor.open_session()
    await provider.script(Text("one two three four", ending="hang", after=2))
    async with visitor.streaming(session, "Count to four") as events:
        await anext(event async for event in events if event.type == "token")
        everybody = family(process)
        tell(everybody[0].pid)
        assert [event.type async for event in events_until_cut(events)][-1:] != ["end"]
    assert await asyncio.to_thread(process.wait) == code
    assert eventually(lambda: all_gone(everybody) and nothing_runs(Path(variables["DATA_DIR"])), GONE_SECONDS)

    await provider.script(Text("one two three four"))
    await process.start()
    run, *_ = await provider.requests(containing="Count to four")  # the next may be asking already
    assert run.closed_early
    assert await until_answered(visitor, session, messages=2) == [
        ("user", "Count to four", "completed"),
        ("assistant", "one two three four", "completed"),
    ]


async def events_until_cut(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for event in events:
            yield event
    except httpx.HTTPError:
        return


async def until_answered(visitor: Visitor, session: str, messages: int) -> list[tuple[str, str, str]]:
    """The transcript once it has so many messages."""
    async with asyncio.timeout(LEASE_SECONDS * 4):
        while True:
            if len(told := await contents(visitor, session)) >= messages:
                return told
            await asyncio.sleep(0.05)


async def test_ctrl_c_ends_a_reloading_server_with_all_it_started(
    variables: dict[str, str], provider: ProviderStub, tmp_path: Path
) -> None:
    server = ServerProcess({**variables, "APP_ENV": "development"}, tmp_path / "server.log")
    server._variables["DEBUG"] = "true"
    async with server:
        async with Visitor(server.url) as visitor:
            await visitor.register("ada@example.com")
            session = await visitor.open_session()
            await provider.script(Text("Hello."))
            assert text_of(await visitor.stream(session, "Hello")) == "Hello."
            await in_the_middle_of_an_answer(visitor, provider, session)
        everybody = family(server)
        assert len(everybody) > 1, "the reloader's server is a process of its own"
        to_its_group(signal.SIGINT)(everybody[0].pid)
        await asyncio.to_thread(server.wait)
    assert eventually(lambda: all_gone(everybody) and nothing_runs(Path(variables["DATA_DIR"])), GONE_SECONDS)
    assert "Traceback" not in server.output()


async def test_a_reloader_that_is_killed_takes_its_server_with_it(variables: dict[str, str], tmp_path: Path) -> None:
    server = ServerProcess({**variables, "APP_ENV": "development"}, tmp_path / "server.log")
    server._variables["DEBUG"] = "true"
    async with server:
        everybody = family(server)
        server.kill()
    assert eventually(lambda: all_gone(everybody) and nothing_runs(Path(variables["DATA_DIR"])), 10)
