"""A server that dies between the summary of a long conversation and the answer."""

import pytest

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import text_of


@pytest.mark.variables(CONTEXT_MESSAGES="6")
async def test_the_next_server_answers_from_the_summary(door: Door, first: ServerProcess, provider: ProviderStub) -> None:
    answer = "one two three four five six seven eight"
    await provider.script(
        Text("They greeted.", when="<conversation>", times=2), Text(answer, when="Count", seconds_between=0.3), Text(answer, when="Count")
    )
    ada = await door.enter(first)
    session = await ada.open_session()
    for _ in range(3):
        await ada.ask(session, "Hello")
    read = []
    async with ada.streaming(session, "Count") as events:
        async for event in events:
            read.append(event)
            if sum(one.type == "token" for one in read) == 3:
                break
    first.kill()
    await first.start()

    assert text_of(await ada.read_on(read[0].data["run_id"])) == answer
    last = (await provider.requests())[-1].messages
    assert "They greeted." in last[0]["content"]
    assert [message["content"] for message in last[1:]] == ["Hello", "You said: Hello", "Count"]
    assert [message["is_compacted"] for message in await ada.messages(session)] == [True] * 4 + [False] * 4
