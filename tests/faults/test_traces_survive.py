"""A run whose process dies goes on in the same trace."""

import json
from collections.abc import Mapping
from uuid import UUID

import pytest

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.langfuse_stub import LangfuseStub
from tests.stub.answers import Text
from tests.stub.client import ProviderStub


@pytest.fixture
def variables_of_test(variables_of_test: Mapping[str, str], langfuse: LangfuseStub) -> dict[str, str]:
    return {**variables_of_test, **langfuse.variables}


async def test_the_attempt_after_a_kill_is_of_the_same_trace(
    door: Door, first: ServerProcess, provider: ProviderStub, langfuse: LangfuseStub
) -> None:
    await provider.script(Text("one two three", ending="hang", after=2), Text("one two three"))
    ada = await door.enter(first)
    run_id = ""
    async with ada.streaming(await ada.open_session(), "Count to three") as events:
        async for event in events:
            run_id = event.data.get("run_id", run_id)
            if event.type == "token":
                break
    first.kill()
    await first.start()
    [root] = await langfuse.until(1, "assistant", seconds=60)
    assert json.loads(root.attributes["langfuse.observation.metadata.attempt"]) == 2
    assert root.trace_id == UUID(run_id).hex
