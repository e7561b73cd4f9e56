"""The response cache of two servers, and what becomes of the wish for it when one of them dies."""

from collections.abc import Mapping
from typing import Final

import pytest

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.valkey_process import ValkeyProcess
from tests.visitor import text_of, types_of

WORDS: Final = "one two three four five six seven eight nine ten"


@pytest.fixture
def process_variables(process_variables: Mapping[str, str], valkey: ValkeyProcess) -> dict[str, str]:
    return {**process_variables, "REDIS_URL": valkey.url, "RESPONSE_CACHE": "true"}


async def test_a_later_attempt_takes_an_answer_that_another_server_got_meanwhile(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub
) -> None:
    await provider.script(Text(WORDS, ending="hang", after=2), Text(WORDS))
    ada, elsewhere = await door.enter(first), await door.enter(second)
    async with ada.streaming(await ada.open_session(), "Count to ten", cache=True) as events:
        run = (await anext(events)).data["run_id"]
        assert (await anext(events)).type == "token"
        meanwhile = await elsewhere.ask(await elsewhere.open_session(), "Count to ten", cache=True)
        assert (meanwhile.json()["message"]["content"], meanwhile.json()["from_cache"]) == (WORDS, False)
        first.kill()
        read = await elsewhere.read_on(run)
    assert types_of(read[[event.type for event in read].index("reset") :]) == ["reset", "token", "usage", "end"]
    assert text_of(read) == WORDS
    [usage] = [event.data for event in read if event.type == "usage"]
    assert (usage["from_cache"], usage["total_tokens"], usage["cost_usd"]) == (True, 0, 0.0)
    await first.start()
    again = await ada.ask(await ada.open_session(), "Count to ten", cache=True)
    assert (again.json()["message"]["content"], again.json()["from_cache"]) == (WORDS, True)
    assert len(await provider.requests()) == 2
