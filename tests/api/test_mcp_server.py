"""The server as an MCP server: its agents are asked by the official client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client

from app.agent.registry import AGENTS
from tests.conftest import Server
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor


@asynccontextmanager
async def talking(server: Server, visitor: Visitor) -> AsyncIterator[ClientSession]:
    headers = {"Authorization": visitor.http.headers["Authorization"]}
    async with (
        httpx.AsyncClient(headers=headers, timeout=30) as http,
        streamable_http_client(f"{server.url}/mcp", http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


def _text(result: types.CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


def _structure(result: types.CallToolResult) -> dict[str, Any]:
    assert result.structuredContent is not None
    return result.structuredContent


async def test_each_agent_is_a_tool(server: Server, ada: Visitor) -> None:
    async with talking(server, ada) as session:
        listed = (await session.list_tools()).tools
    assert [tool.name for tool in listed] == [f"ask_{agent.name}" for agent in AGENTS]
    assert listed[0].inputSchema["required"] == ["message"]
    assert {*listed[0].inputSchema["properties"]} == {"message", "session_id"}


async def test_an_agent_is_asked_and_the_conversation_goes_on(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Hello, I am here."), Text("You said hi."))
    async with talking(server, ada) as session:
        first = await session.call_tool("ask_assistant", {"message": "hi"})
        said = _structure(first)
        assert (first.isError, said["answer"], said["status"]) == (False, "Hello, I am here.", "completed")
        assert "Hello, I am here." in _text(first)
        assert said["session_id"] in _text(first)
        second = await session.call_tool("ask_assistant", {"message": "What did I say?", "session_id": said["session_id"]})
        assert _structure(second)["session_id"] == said["session_id"]
    assert [message["content"] for message in await ada.messages(said["session_id"])] == [
        "hi",
        "Hello, I am here.",
        "What did I say?",
        "You said hi.",
    ]


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic YTpi"])
async def test_nobody_comes_in_without_a_token(server: Server, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    async with httpx.AsyncClient(base_url=server.url, headers=headers) as http:
        answer = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_comes_in_with_the_scope_chat_only(server: Server, ada: Visitor) -> None:
    codes = {}
    async with httpx.AsyncClient(base_url=server.url) as http:
        for scope in ("read", "chat"):
            key = (await ada.http.post("/auth/api-keys", json={"name": "MCP", "scopes": [scope]})).json()["key"]
            for headers in ({"x-api-key": key}, {"Authorization": f"Bearer {key}"}):
                asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
                accepted = {"Accept": "application/json, text/event-stream"}
                answer = await http.post("/mcp", json=asked, headers={**headers, **accepted})
                codes[scope, *headers] = answer.status_code
    assert codes == {
        ("read", "x-api-key"): 403,
        ("read", "Authorization"): 403,
        ("chat", "x-api-key"): 200,
        ("chat", "Authorization"): 200,
    }


async def test_another_users_session_is_not_there(server: Server, ada: Visitor, bob: Visitor) -> None:
    hers = await ada.open_session()
    async with talking(server, bob) as session:
        refused = await session.call_tool("ask_assistant", {"message": "hi", "session_id": hers})
    assert (refused.isError, _structure(refused)["code"]) == (True, "session_not_found")
    assert await ada.messages(hers) == []


async def test_a_busy_session_is_told_of_with_its_run(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=1))
    hers = await ada.open_session()
    waiting = asyncio.create_task(ada.ask(hers, "Count"))
    await provider.wait_until_asked()
    async with talking(server, ada) as session:
        refused = await session.call_tool("ask_assistant", {"message": "hi", "session_id": hers})
    live = (await ada.http.get(f"/sessions/{hers}/state")).json()["live_run_id"]
    assert (refused.isError, _structure(refused)["code"], _structure(refused)["active_run_id"]) == (True, "session_busy", live)
    await ada.http.post(f"/runs/{live}/cancel")
    await waiting


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("ask_nobody", {"message": "hi"}, "unknown_agent"),
        ("assistant", {"message": "hi"}, "unknown_agent"),
        ("ask_assistant", {}, "invalid_input"),
        ("ask_assistant", {"message": " "}, "invalid_input"),
        ("ask_assistant", {"message": "hi", "more": 1}, "invalid_input"),
        ("ask_assistant", {"message": "hi", "session_id": "no id"}, "invalid_input"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_a_code(
    tool: str, arguments: dict[str, Any], code: str, server: Server, ada: Visitor
) -> None:
    async with talking(server, ada) as session:
        refused = await session.call_tool(tool, arguments)
    assert (refused.isError, _structure(refused)["code"]) == (True, code)
    assert (await ada.http.get("/sessions")).json()["items"] == []


@pytest.mark.variables(MAX_LIVE_RUNS="1")
async def test_a_full_server_says_so_and_leaves_no_empty_session(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=1))
    hers = await ada.open_session()
    waiting = asyncio.create_task(ada.ask(hers, "Count"))
    await provider.wait_until_asked()
    async with talking(server, ada) as session:
        refused = await session.call_tool("ask_assistant", {"message": "hi"})
    assert (refused.isError, _structure(refused)["code"]) == (True, "server_busy")
    assert [item["id"] for item in (await ada.http.get("/sessions")).json()["items"]] == [hers]
    await ada.http.post(f"/runs/{(await ada.http.get(f'/sessions/{hers}/state')).json()['live_run_id']}/cancel")
    await waiting


async def test_a_providers_failure_is_told_with_its_code(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one", ending="truncate", after=1))
    async with talking(server, ada) as session:
        failed = await session.call_tool("ask_assistant", {"message": "hi"})
    assert (failed.isError, _structure(failed)["code"]) == (True, "model_bad_answer")


async def test_a_question_of_the_agents_waits_for_a_person(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("rename_session", {"name": "Trip"})]))
    async with talking(server, ada) as session:
        asked = await session.call_tool("ask_assistant", {"message": "Call this Trip."})
    said = _structure(asked)
    assert (asked.isError, said["status"], said["questions"][0]["value"]["tool"]) == (False, "interrupted", "rename_session")
    assert "waits for a person" in _text(asked)


async def test_a_hang_up_leaves_the_run_alive(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three four", seconds_between=0.3))
    async with talking(server, ada) as session:
        call = asyncio.create_task(session.call_tool("ask_assistant", {"message": "Count"}))
        await provider.wait_until_asked()
        call.cancel()
    [item] = (await ada.http.get("/sessions")).json()["items"]
    async with asyncio.timeout(10):
        while [message["content"] for message in await ada.messages(item["id"])][1:] != ["one two three four"]:  # noqa: ASYNC110  # of another thread
            await asyncio.sleep(0.05)


async def test_a_request_that_is_cancelled_stops_its_run(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=1))
    async with talking(server, ada) as session:
        call = asyncio.create_task(session.call_tool("ask_assistant", {"message": "Count"}))
        await provider.wait_until_asked()
        # The official client of this version does not say so by itself when a call is cancelled.
        gone = types.CancelledNotification(params=types.CancelledNotificationParams(requestId=1))
        await session.send_notification(types.ClientNotification(gone))
        stopped = await call
    assert (stopped.isError, _structure(stopped)["code"]) == (True, "run_cancelled")
    await provider.wait_until_closed_early()


async def test_nobody_cancels_what_another_asked(server: Server, ada: Visitor, bob: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", seconds_between=0.3))
    async with talking(server, ada) as hers, talking(server, bob) as his:
        call = asyncio.create_task(hers.call_tool("ask_assistant", {"message": "Count"}))
        await provider.wait_until_asked()
        gone = types.CancelledNotification(params=types.CancelledNotificationParams(requestId=1))
        await his.send_notification(types.ClientNotification(gone))
        assert _structure(await call)["answer"] == "one two three"


async def test_a_client_that_asks_for_it_is_told_of_progress(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three four", seconds_between=0.8))
    heard: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        assert (total, message) == (None, None)
        heard.append(progress)

    async with talking(server, ada) as session:
        await session.call_tool("ask_assistant", {"message": "Count"}, progress_callback=progress)
    assert heard
    assert heard == sorted(heard)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_it_takes_posts_only(method: str, server: Server, ada: Visitor) -> None:
    answer = await ada.http.request(method, f"{server.url}/mcp")
    assert (answer.status_code, answer.headers["Allow"], answer.json()["code"]) == (405, "POST", "method_not_allowed")


@pytest.mark.variables(ALLOWED_ORIGINS="https://app.example")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "evil.example:8000"}, 403),
        ({"Host": "["}, 403),
        ({"Origin": "https://app.example"}, 200),
        ({"Host": "app.example"}, 200),
        ({"Host": "localhost:1234"}, 200),
    ],
)
async def test_pages_that_are_not_allowed_do_not_reach_it(headers: dict[str, str], status: int, server: Server, ada: Visitor) -> None:
    accept = {"Accept": "application/json, text/event-stream"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    answer = await ada.http.post(f"{server.url}/mcp", json=ping, headers={**accept, **headers})
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "origin_not_allowed"


async def test_a_body_that_is_too_large_is_refused(server: Server, ada: Visitor) -> None:
    answer = await ada.http.post(f"{server.url}/mcp", content=b"x" * 1_000_001)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b'{"method": 7}', b'{"method": "notifications/cancelled", "params": []}'])
async def test_nonsense_is_refused_and_breaks_nothing(body: bytes, server: Server, ada: Visitor) -> None:
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    answer = await ada.http.post(f"{server.url}/mcp", content=body, headers=headers)
    assert answer.status_code in {202, 400}


@pytest.mark.variables(MCP_SERVER="false")
async def test_it_can_be_switched_off(server: Server, ada: Visitor) -> None:
    assert (await ada.http.post(f"{server.url}/mcp", json={})).status_code == 404
