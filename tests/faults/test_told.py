"""What the server that is left tells watchers of the runs of one that was killed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from app import signals
from app.settings import Settings, load_settings
from tests.conftest import serving
from tests.faults.conftest import LEASE_SECONDS, Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.told import Told, between, hearing, of
from tests.visitor import Visitor, read_a_token, text_of

WORDS = "one two three four five six"


async def _until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110  # a signal is told to a function, and there is no event to wait for
            await asyncio.sleep(0.01)


@pytest.fixture
def told() -> Iterator[Told]:
    with hearing(signals.run_recovered, signals.attempt_begun, signals.run_ended, signals.events_replayed) as told:
        yield told


@pytest_asyncio.fixture
async def here(
    first: ServerProcess, process_variables: Mapping[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Visitor]:
    """Another server on the first one's database, in this process, where it can be heard."""
    assert (first.port, settings.database.url) == (first.port, process_variables["DATABASE_URL"])
    for name, value in process_variables.items():
        monkeypatch.setenv(name, value)
    with serving(load_settings(tmp_path)) as url:
        async with Visitor(url) as visitor:
            yield visitor


async def test_a_run_of_a_server_that_was_killed_is_recovered_and_ends_once(
    door: Door, first: ServerProcess, here: Visitor, provider: ProviderStub, told: Told
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.3, times=2))
    ada = await door.enter(first)
    here.http.headers["Authorization"] = ada.http.headers["Authorization"]
    async with ada.streaming(await ada.open_session(), "Count") as events:
        run = (await anext(events)).data["run_id"]
        await read_a_token(events)
    first.kill()
    assert text_of(await here.read_on(run)) == WORDS
    # Readers have the end a moment before watchers have.
    await _until(lambda: of(told, signals.run_ended))
    assert [one for one in told if one[0] != "events_replayed"] == [
        ("run_recovered", "assistant"),
        # From the moment when its lease had run out.
        ("attempt_begun", "assistant", 2, between(0, 2 * LEASE_SECONDS)),
        ("run_ended", "assistant", "completed", "", between(1.5, 30), between(LEASE_SECONDS / 2, 30)),
    ]
    assert sum(count for (count,) in of(told, signals.events_replayed)) > 0
