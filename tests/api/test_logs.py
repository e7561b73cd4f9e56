"""One line for a request and one for the end of a run, and what leads from one to the other."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor


@pytest.fixture
async def process(variables_of_test: Mapping[str, str], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess({**variables_of_test, "LOG_FORMAT": "json"}, tmp_path / "server.log") as server:
        yield server


async def _said(process: ServerProcess, provider: ProviderStub) -> tuple[Mapping[str, str], dict[str, dict[str, Any]]]:
    """The head of a streamed answer, and the last line of each event that the log has had by its end."""
    await provider.script(Text("zyxanswer"))
    async with Visitor(process.url) as ada:
        await ada.register("ada@example.com")
        session = await ada.open_session()
        async with ada.http.stream("POST", f"/sessions/{session}/chat/stream", json={"message": "zyxquestion"}) as answer:
            await answer.aread()
        await ada.http.get("/sessions/zyxpath")
    assert process.process
    process.process.terminate()
    process.wait()
    lines = [json.loads(line) for line in process.output().splitlines() if line.startswith("{")]
    return {**answer.headers, "session": session}, {
        line["event"]: line for line in lines if line.get("route") != "/api/v1/sessions/{session_id}"
    }


async def test_a_request_and_its_run_are_one_line_each_and_lead_to_each_other(process: ServerProcess, provider: ProviderStub) -> None:
    head, lines = await _said(process, provider)
    request, run = lines["request_finished"], lines["run_finished"]
    assert (request["request_id"], request["run_id"], request["session_id"]) == (head["x-request-id"], head["x-run-id"], head["session"])
    assert (run["request_id"], run["run_id"], run["session_id"]) == (head["x-request-id"], head["x-run-id"], head["session"])
    assert (run["status"], run["error"], run["agent"], run["tier"], run["attempt"], run["held"]) == (
        "completed",
        None,
        "assistant",
        "free",
        1,
        True,
    )
    assert run["seconds"] > 0
    assert run["output_tokens"] > 0
    assert "trace_id" not in run
    assert "zyx" not in process.output()


@pytest.fixture
def variables_of_test(variables_of_test: Mapping[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    return {**variables_of_test, "LOG_TEXT": "true"} if "text" in request.node.name else {**variables_of_test}


async def test_text_is_logged_where_it_is_switched_on(process: ServerProcess, provider: ProviderStub) -> None:
    _, lines = await _said(process, provider)
    assert (lines["run_finished"]["asked"], lines["run_finished"]["answered"]) == ("zyxquestion", "zyxanswer")
