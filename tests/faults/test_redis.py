"""Two servers that tell each other of new events through Redis, and what readers see when it dies."""

from collections.abc import Mapping
from typing import Final

import pytest

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.valkey_process import ValkeyProcess
from tests.visitor import Event, Visitor, events_of, text_of

WORDS: Final = "one two three four five six seven eight nine ten"


@pytest.fixture
def process_variables(process_variables: Mapping[str, str], valkey: ValkeyProcess) -> dict[str, str]:
    return {**process_variables, "REDIS_URL": valkey.url}


async def _begin(visitor: Visitor) -> str:
    """Send a message, and hang up at the first token; the run."""
    async with visitor.streaming(await visitor.open_session(), "Count to ten") as events:
        run: str = (await anext(events)).data["run_id"]
        assert (await anext(events)).type == "token"
    return run


# A reader who is not told looks once in that time, and so does not read a token as it comes.
@pytest.mark.variables(HEARTBEAT_SECONDS="600")
async def test_an_answer_is_read_and_stopped_from_a_process_that_does_not_make_it(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.1), Text(WORDS, seconds_between=0.5))
    ada, elsewhere = await door.enter(first), await door.enter(second)
    assert text_of(await elsewhere.read_on(await _begin(ada))) == WORDS

    run = await _begin(ada)
    await elsewhere.http.post(f"/runs/{run}/cancel")
    assert (await elsewhere.read_on(run))[-1].data["status"] == "cancelled"


@pytest.mark.variables(HEARTBEAT_SECONDS="1")
async def test_a_redis_that_dies_in_mid_answer_costs_no_reader_a_token(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub, valkey: ValkeyProcess
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.3, times=2))
    ada, elsewhere = await door.enter(first), await door.enter(second)
    run = await _begin(ada)
    read: list[Event] = []
    async with elsewhere.http.stream("GET", f"/runs/{run}/stream") as answer:
        async for event in events_of(answer):
            read.append(event)
            if event.type == "token":
                valkey.kill()
    assert text_of(read) == WORDS
    assert read[-1].data["status"] == "completed"
    assert await ada.read_on(run) == read
    # Told once for the outage, though each write of the log was one that Redis did not take.
    assert first.output().count('"redis_notice_not_told"') == 1
    assert second.output().count('"redis_listener_lost"') == 1

    valkey.start()
    assert text_of(await elsewhere.read_on(await _begin(ada))) == WORDS


async def test_without_redis_servers_start_answer_and_are_ready(
    door: Door, valkey: ValkeyProcess, first: ServerProcess, provider: ProviderStub
) -> None:
    valkey.kill()
    await provider.script(Text(WORDS))
    first.kill()
    await first.start()
    ada = await door.enter(first)
    assert text_of(await ada.stream(await ada.open_session(), "Count to ten")) == WORDS
