"""Tools of real MCP servers, as programs and over HTTP, called through the node that calls all tools."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr

from app import signals
from app.agent.marks import is_once_only, is_to_be_approved
from app.agent.mcp.file import read_servers
from app.agent.mcp.opening import open_mcp
from app.agent.registry import Agents
from tests.agent.turn import Turn
from tests.fakes import calls, says
from tests.mcp_process import HttpMcp, mcp_file, program, until_there, wait_until_gone
from tests.told import between, hearing, of


@pytest.fixture
def elsewhere() -> Iterator[HttpMcp]:
    with HttpMcp() as server:
        yield server


class Shelf:
    """The tools that the assistant has of MCP servers."""

    def __init__(self, agents: Agents, pids: Path) -> None:
        self._agents = agents
        self._pids = pids

    def tools(self) -> Sequence[BaseTool]:
        own = {tool.name for tool in self._agents.get("assistant").tools}
        return [tool for tool in self._agents.tools("assistant") if tool.name not in own]

    def names(self) -> list[str]:
        return sorted(tool.name for tool in self.tools())

    async def until_it_has(self, name: str) -> None:
        async with asyncio.timeout(20):
            while name not in self.names():  # noqa: ASYNC110  # what is waited for is in another process
                await asyncio.sleep(0.02)

    async def call(self, name: str, within: float = 10, **arguments: Any) -> ToolMessage:
        turn = Turn(calls((name, json.dumps(arguments))), says("Done."), tools=self.tools(), tool_seconds=within)
        await turn.takes("Please.")
        [answer] = turn.answers_of_tools()
        return answer

    def pids(self) -> list[int]:
        return [int(line) for line in self._pids.read_text().split()]


@asynccontextmanager
async def shelf(folder: Path, *entries: dict[str, Any]) -> AsyncIterator[Shelf]:
    variables = {"MCP_PIDS": SecretStr(str(folder / "pids"))}
    agents = Agents(InMemorySaver())
    async with open_mcp(read_servers(mcp_file(folder, *entries), variables), variables, agents):
        yield Shelf(agents, folder / "pids")


def ours(**more: Any) -> dict[str, Any]:
    return program(env={"PIDS": "MCP_PIDS"}, **more)


async def test_a_tool_of_a_program_is_called(tmp_path: Path) -> None:
    async with shelf(tmp_path, ours(tools=["echo", "add"])) as tools:
        await tools.until_it_has("ours_echo")
        assert tools.names() == ["ours_add", "ours_echo"]
        assert (await tools.call("ours_echo", text="hello")).content == "hello"
        assert (await tools.call("ours_add", a=2, b=3)).content == "5"
        [pid] = tools.pids()  # started once, and not for each call
    wait_until_gone(pid)


async def test_a_tool_elsewhere_is_called(tmp_path: Path, elsewhere: HttpMcp) -> None:
    async with shelf(tmp_path, elsewhere.entry(tools=["echo"])) as tools:
        await tools.until_it_has("remote_echo")
        assert (await tools.call("remote_echo", text="hello")).content == "hello"


async def test_what_is_no_text_is_described(tmp_path: Path) -> None:
    async with shelf(tmp_path, ours(tools=["picture", "big", "fail", "noise"])) as tools:
        await tools.until_it_has("ours_big")
        seen = await tools.call("ours_picture")
        assert str(seen.content).startswith("Look:\n[Here came an image, image/png, ")
        cut = await tools.call("ours_big")
        assert len(cut.text) < 21_000
        assert "characters are missing" in cut.text
        failed = await tools.call("ours_fail")
        assert (failed.status, "the flux is not aligned" in failed.text) == ("error", True)


async def test_what_a_program_writes_to_its_standard_error_goes_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with shelf(tmp_path, ours(tools=["noise"])) as tools:
        await tools.until_it_has("ours_noise")
        assert (await tools.call("ours_noise")).content == "cXVpZXQ="
    assert "NOISE" not in "".join(capfd.readouterr())


async def test_a_program_has_of_our_environment_what_any_needs_and_what_the_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("JWT_SECRET_KEY", "secret")
    async with shelf(tmp_path, ours(tools=["variables"])) as tools:
        await tools.until_it_has("ours_variables")
        names = {*(await tools.call("ours_variables")).text.split()}
    assert names <= {"HOME", "LANG", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "PIDS"}
    assert {"PATH", "PIDS"} <= names


async def test_arguments_that_langchain_keeps_for_itself_reach_the_tool(tmp_path: Path) -> None:
    async with shelf(tmp_path, ours(tools=["told"])) as tools:
        await tools.until_it_has("ours_told")
        [tool] = tools.tools()
        assert sorted(convert_to_openai_tool(tool)["function"]["parameters"]["properties"]) == ["config_", "runtime_"]
        assert (await tools.call("ours_told", config_="one", runtime_="two")).content == "one two"


async def test_a_name_that_providers_refuse_becomes_one_that_they_take(tmp_path: Path) -> None:
    async with shelf(tmp_path, ours(tools=["dotted.name"])) as tools:
        async with asyncio.timeout(20):
            while not tools.names():  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.02)
        [name] = tools.names()
        assert re.fullmatch(r"ours_dotted_name_[0-9a-f]{8}", name)
        assert (await tools.call(name)).content == "dotted"


async def test_all_is_all_and_the_file_says_what_needs_approval_and_how_long_a_call_takes(tmp_path: Path) -> None:
    entry = ours(all=True, timeout_seconds=0.3, tools=[{"name": "book", "approval": True, "once_only": True}])
    async with shelf(tmp_path, entry) as tools:
        await tools.until_it_has("ours_book")
        marked = {tool.name for tool in tools.tools() if is_to_be_approved(tool) or is_once_only(tool)}
        assert marked == {"ours_book"}
        assert len(tools.names()) > 10
        late = await tools.call("ours_slow", within=20, seconds=20)
        assert (late.status, late.content) == ("error", "The tool gave no answer within 0.3 seconds.")


async def test_a_program_that_dies_in_a_call_is_told_of_at_once_and_comes_back(tmp_path: Path) -> None:
    async with shelf(tmp_path, ours(tools=["crash", "echo"])) as tools:
        await tools.until_it_has("ours_echo")
        lost = await tools.call("ours_crash", within=20)
        assert (lost.status, lost.text.startswith("The tool is not available now.")) == ("error", True)
        assert await _until_it_answers(tools, "ours_echo") == "back"
        assert len(tools.pids()) == 2


async def test_watchers_are_told_when_a_server_comes_goes_and_comes_back_and_that_its_call_has_failed(tmp_path: Path) -> None:
    with hearing(signals.mcp_server_moved, signals.tool_called) as told:
        async with shelf(tmp_path, ours(tools=["crash", "echo", "fail"])) as tools:
            await tools.until_it_has("ours_echo")
            await tools.call("ours_fail")
            await tools.call("ours_crash", within=20)
            await _until_it_answers(tools, "ours_echo")
            assert of(told, signals.mcp_server_moved) == [("ours", False), ("ours", True)] * 2
    called = of(told, signals.tool_called)
    # In the tool's own words, and because there was nobody to call.
    assert called[:2] == [("ours_fail", "error", between()), ("ours_crash", "failed", between())]
    assert called[-1] == ("ours_echo", "ok", between())
    assert of(told, signals.mcp_server_moved)[-1] == ("ours", False), "it was left"


async def test_a_server_elsewhere_that_is_killed_and_comes_back_is_used_again(tmp_path: Path, elsewhere: HttpMcp) -> None:
    async with shelf(tmp_path, elsewhere.entry(tools=["slow", "echo"])) as tools:
        await tools.until_it_has("remote_echo")
        waiting = asyncio.create_task(tools.call("remote_slow", within=20, seconds=20, file=str(tmp_path / "begun")))
        await until_there(tmp_path / "begun")
        await asyncio.to_thread(elsewhere.kill)
        async with asyncio.timeout(10):
            assert (await waiting).text.startswith("The tool is not available now.")
        assert (await tools.call("remote_echo", text="gone?")).text.startswith("The tool is not available now.")
        await asyncio.to_thread(elsewhere.start)
        assert await _until_it_answers(tools, "remote_echo") == "back"


async def test_a_server_elsewhere_that_forgot_the_session_is_used_again(tmp_path: Path, elsewhere: HttpMcp) -> None:
    async with shelf(tmp_path, elsewhere.entry(tools=["echo"])) as tools:
        await tools.until_it_has("remote_echo")
        await asyncio.to_thread(elsewhere.kill)
        await asyncio.to_thread(elsewhere.start)  # a new one, and nobody has called it meanwhile
        assert await _until_it_answers(tools, "remote_echo") == "back"


async def test_a_server_that_is_not_there_is_taken_when_it_comes(tmp_path: Path) -> None:
    elsewhere = HttpMcp()
    began = time.monotonic()
    async with shelf(tmp_path, elsewhere.entry(tools=["echo"]), ours(tools=["echo"])) as tools:
        assert time.monotonic() - began < 8
        await tools.until_it_has("ours_echo")
        assert tools.names() == ["ours_echo"]
        await asyncio.to_thread(elsewhere.start)
        try:
            await tools.until_it_has("remote_echo")
            assert (await tools.call("remote_echo", text="hello")).content == "hello"
        finally:
            elsewhere.__exit__()


async def test_a_command_that_does_not_exist_harms_nobody(tmp_path: Path) -> None:
    entry = program("missing", tools=["echo"]) | {"command": "no-such-program", "args": []}
    with hearing(signals.mcp_server_moved) as told:
        async with shelf(tmp_path, entry) as tools:
            assert tools.names() == []
    assert told == [("mcp_server_moved", "missing", False)]


async def test_tools_that_come_later_are_taken_when_the_server_says_so(tmp_path: Path) -> None:
    async with shelf(tmp_path, ours(tools=["grow", "grown"])) as tools:
        await tools.until_it_has("ours_grow")
        assert tools.names() == ["ours_grow"]
        await tools.call("ours_grow")
        await tools.until_it_has("ours_grown")
        assert (await tools.call("ours_grown")).content == "I am new."


async def _until_it_answers(tools: Shelf, name: str) -> str:
    async with asyncio.timeout(20):
        while (answer := await tools.call(name, text="back")).status == "error":  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.1)
    return answer.text
