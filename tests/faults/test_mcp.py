"""The server with MCP servers that die, and the MCP servers when the server dies."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.faults.server_process import ROOT, ServerProcess
from tests.mcp_process import mcp_file, program, until_there, wait_until_gone
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of

SECRET = "canary-4711-secret"


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    return tmp_path / "pids"


@pytest_asyncio.fixture
async def armed(process_variables: Mapping[str, str], pids: Path, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server whose assistant has tools of a program of ours, and of a server elsewhere that is not there."""
    tools = ["echo", "crash", "slow", "stuck", {"name": "book", "approval": True}]
    entry = program(tools=tools, env={"PIDS": "MCP_PIDS", "S": "MCP_SECRET"})
    nowhere = {"name": "nowhere", "transport": "streamable_http", "url": "http://127.0.0.1:9/mcp", "all": True}
    file = mcp_file(tmp_path, entry, nowhere)
    more = {"MCP_FILE": str(file), "MCP_PIDS": str(pids), "MCP_SECRET": SECRET, "TOOL_TIMEOUT_SECONDS": "20"}
    async with ServerProcess({**process_variables, **more}, tmp_path / "server.log") as server:
        yield server


@pytest_asyncio.fixture
async def ada(armed: ServerProcess) -> AsyncIterator[Visitor]:
    async with Visitor(armed.url) as visitor:
        await visitor.register("ada@example.com")
        await _until_it_has(visitor, "ours_echo")
        yield visitor


async def test_the_agent_lists_and_calls_the_tools(ada: Visitor, armed: ServerProcess, provider: ProviderStub) -> None:
    ours = [name.removeprefix("ours_") for name in await _tools(ada) if name.startswith("ours_")]
    assert ours == ["book", "crash", "echo", "slow", "stuck"]
    assert (await _tools(ada))["ours_book"]["needs_approval"]
    await provider.script(ToolCalls([ToolCall("ours_echo", {"text": "parrot words"})]), Text("It said so."))
    events = await ada.stream(await ada.open_session(), "Say it")
    assert [event.data["content"] for event in events if event.type == "tool_result"] == ["parrot words"]
    assert text_of(events) == "It said so."
    log = armed.output()
    assert "mcp_tools_ready" in log
    assert not [word for word in ("parrot", SECRET, "Say the same again") if word in log]


async def test_a_turn_whose_mcp_server_is_killed_in_the_call_ends_with_an_answer(
    ada: Visitor, armed: ServerProcess, provider: ProviderStub
) -> None:
    await provider.script(ToolCalls([ToolCall("ours_crash", {})]), Text("The tool is away."))
    session = await ada.open_session()
    events = await ada.stream(session, "Try it")
    [result] = [event.data for event in events if event.type == "tool_result"]
    assert (result["is_error"], result["content"].startswith("The tool is not available now.")) == (True, True)
    assert (text_of(events), events[-1].data["status"]) == ("The tool is away.", "completed")
    await _until_opened(armed, 2)
    await provider.script(ToolCalls([ToolCall("ours_echo", {"text": "back"})]), Text("It works."))
    again = await ada.stream(session, "Once more")
    assert [event.data["content"] for event in again if event.type == "tool_result"] == ["back"]
    assert text_of(again) == "It works."


async def test_a_program_that_is_stopped_from_outside_in_the_call_is_the_same(
    ada: Visitor, pids: Path, provider: ProviderStub, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    await provider.script(ToolCalls([ToolCall("ours_slow", {"seconds": 60, "file": str(begun)})]), Text("It is away."))
    session = await ada.open_session()
    turn = asyncio.create_task(ada.stream(session, "Wait"))
    await until_there(begun)
    subprocess.run(["/bin/kill", "-9", str(_written(pids)[0])], check=True)  # noqa: ASYNC221, S603  # our own child
    async with asyncio.timeout(10):
        assert text_of(await turn) == "It is away."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_no_program_outlives_the_server(number: signal.Signals, ada: Visitor, armed: ServerProcess, pids: Path) -> None:
    assert ada.http
    [pid] = _written(pids)
    armed.signal(number)
    await asyncio.to_thread(armed.wait)
    await asyncio.to_thread(wait_until_gone, pid)


async def test_a_program_that_hears_nothing_does_not_outlive_it_either(
    ada: Visitor, armed: ServerProcess, pids: Path, provider: ProviderStub, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    await provider.script(ToolCalls([ToolCall("ours_stuck", {"seconds": 60, "file": str(begun)})]))
    turn = asyncio.create_task(ada.stream(await ada.open_session(), "Wait"))
    await until_there(begun)
    armed.kill()
    [pid] = _written(pids)
    await asyncio.to_thread(wait_until_gone, pid)
    await asyncio.gather(turn, return_exceptions=True)


@pytest.mark.parametrize(
    ("servers", "faults"),
    [
        ([{"name": "a", "transport": "carrier pigeon"}], ["transport"]),
        ([program("a")], ["must list in `tools` those that may be used"]),
        ([program("A b", tools=["x"])], ["servers.0.stdio.name: must be 30 small letters"]),
        ([program("a", tools=["x"], env={"TOKEN": "sk-canary"})], ["servers.0.stdio.env.TOKEN: must name a variable"]),
        ([program("a", tools=["x"], env={"TOKEN": "MCP_UNSET"})], ["a: the variable MCP_UNSET is not set"]),
        ([program("a", tools=["x"], agents=["nobody"])], ["a: there is no agent nobody that takes more tools"]),
        ([program("a", tools=["x"], agents=["researcher"])], ["a: there is no agent researcher that takes more tools"]),
        ([program("a", tools=["x"]), program("a", tools=["x"])], ["a is there more than once"]),
        ([{"name": "a", "transport": "streamable_http", "url": "https://u:sk-canary@x.example/mcp", "all": True}], ["must hold no user"]),
        (
            [program("a", tools=[], timeout_seconds=0), {"name": "b", "transport": "streamable_http", "url": "ftp://x", "all": True}],
            ["servers.0.stdio.timeout_seconds: must be more than 0", "servers.1.streamable_http.url: must begin with http://"],
        ),
    ],
)
def test_a_file_at_fault_is_refused_line_by_line(
    servers: list[dict[str, Any]], faults: list[str], process_variables: Mapping[str, str], tmp_path: Path
) -> None:
    file = mcp_file(tmp_path, *servers)
    variables = {**process_variables, "MCP_FILE": str(file), "PATH": "/usr/bin"}
    command = [sys.executable, "-m", "app", "serve"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  # ours
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (2, len(faults)), done.stderr
    assert all(line.startswith("MCP_FILE: ") and fault in line for line, fault in zip(lines, faults, strict=True)), done.stderr
    assert "canary" not in done.stderr


async def _tools(visitor: Visitor) -> dict[str, dict[str, Any]]:
    tools = (await visitor.http.get("/agents")).json()["items"][0]["tools"]
    return {tool["name"]: tool for tool in sorted(tools, key=lambda tool: json.dumps(tool["name"]))}


async def _until_it_has(visitor: Visitor, name: str) -> None:
    async with asyncio.timeout(30):
        while name not in await _tools(visitor):  # noqa: ASYNC110  # it is in another process
            await asyncio.sleep(0.05)


async def _until_opened(server: ServerProcess, times: int) -> None:
    async with asyncio.timeout(30):
        while server.output().count("mcp_server_opened") < times:  # noqa: ASYNC110  # it is in another process
            await asyncio.sleep(0.05)


def _written(pids: Path) -> list[int]:
    return [int(line) for line in pids.read_text().split()]
