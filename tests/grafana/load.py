"""A day of a server in a minute: everything happens that a panel is about, by users over HTTP and a provider that does as it is told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpx

from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor

VARIABLES: Final = {
    "WORKER_IN_SERVER": "true",
    "METRICS_SAMPLE_SECONDS": "1",
    "LLM_MAX_RETRIES": "1",
    "LLM_BREAKER_FAILURES": "3",
    "LLM_BREAKER_SECONDS": "5",
    "RESPONSE_CACHE": "true",
    "MEMORY_DELAY_SECONDS": "0.5",
    "LOCKOUT_FAILURES": "2",
    "REFRESH_GRACE_SECONDS": "0",
    "COST_BUDGET_USD_PER_HOUR": "5",
}
# An MCP server that is never there.
NOWHERE: Final = {"name": "nowhere", "transport": "streamable_http", "url": "http://127.0.0.1:9/mcp", "all": True}
_ANSWER: Final = "The train leaves at nine and is there before noon, if the bridge is open. "
_WRONG: Final = "Wrong-12"
_LOOKS: Final = 60
_LOOK_SECONDS: Final = 0.25


class Day:
    """`first` is the provider of the model that users ask, `second` of the one that stands in."""

    def __init__(self, url: str, first: ProviderStub, second: ProviderStub) -> None:
        self._url, self._first, self._second = url, first, second
        self._people = 0

    async def happens(self) -> None:
        """Everything once, together."""
        await self._remember()
        parts: Sequence[Callable[[Visitor], Awaitable[None]]] = (
            self._talks,
            self._is_remembered,
            self._calls_tools,
            self._is_asked,
            self._asks_again,
            self._hangs_up,
            self._meets_a_bad_provider,
            self._loses_a_provider,
            self._guesses,
            self._steals,
            self._knocks,
        )
        await asyncio.gather(*(self._somebody(part) for part in parts))

    async def is_ordinary(self, people: int) -> None:
        """So many talk and use tools, and nothing goes wrong."""
        await self._remember()
        await asyncio.gather(*(self._somebody(part) for part in (self._talks, self._calls_tools) * people))

    async def _remember(self) -> None:
        """Have the model find a fact in whatever was said."""
        found = Text('{"memory": [{"text": "Takes the early train"}]}', when="## New Messages", times=30)
        for provider in (self._first, self._second):
            await provider.clear()
            await provider.script(found)

    async def _somebody(self, does: Callable[[Visitor], Awaitable[None]]) -> None:
        self._people += 1
        async with Visitor(self._url) as visitor:
            await visitor.register(f"visitor{self._people}.{id(self)}@example.com")
            await does(visitor)

    async def _talks(self, visitor: Visitor) -> None:
        session = await visitor.open_session("")
        for turn in range(4):
            await self._first.script(Text(_ANSWER * 3, when=f"train {turn}", seconds_between=0.01))
            await visitor.stream(session, f"When is train {turn}?")

    async def _is_remembered(self, visitor: Visitor) -> None:
        await visitor.ask(await visitor.open_session(""), "I take the early train")
        for _ in range(_LOOKS):
            if (await visitor.http.get("/memories")).json()["items"]:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        await visitor.ask(await visitor.open_session(""), "Which train do I take?")

    async def _calls_tools(self, visitor: Visitor) -> None:
        calls = [
            ToolCall("calculate", {"expression": "12*7"}),
            ToolCall("calculate", {"expression": "1/0"}),
            ToolCall("calculate", {"wrong": True}),
            ToolCall("current_time", {"timezone": "Europe/Oslo"}),
            ToolCall("nobody_knows_it", {}),
        ]
        await self._first.script(ToolCalls(calls, when="tools"), Text("It is 84.", when="tools"))
        await visitor.ask(await visitor.open_session(""), "Use your tools")

    async def _is_asked(self, visitor: Visitor) -> None:
        # More than there are messages: who names the session shows the model the same words.
        rename = ToolCalls([ToolCall("rename_session", {"name": "Oslo"})], when="rename it", times=6)
        for provider in (self._first, self._second):  # for the first may be away at this moment: see `_loses_a_provider`
            await provider.script(rename)
        session = await visitor.open_session("")
        question = (await visitor.ask(session, "Please rename it")).json()["interrupts"][0]
        await visitor.ask(await visitor.open_session(""), "Please rename it")  # and stays open
        await visitor.http.post(f"/sessions/{session}/resume", json={"interrupt_id": question["id"], "value": {"approved": False}})

    async def _asks_again(self, visitor: Visitor) -> None:
        await self._first.script(Text("one two three", when="Count"))
        for _ in range(3):
            await visitor.ask(await visitor.open_session(""), "Count to three", cache=True)

    async def _hangs_up(self, visitor: Visitor) -> None:
        await self._first.script(Text(_ANSWER, when="for long", seconds_between=0.05))
        session = await visitor.open_session("")
        async with visitor.streaming(session, "Talk for long") as events:
            run = (await anext(events)).data["run_id"]
        await visitor.read_on(run)
        stopped = (await visitor.http.post(f"/sessions/{session}/runs", json={"message": "And stop"})).json()
        await visitor.http.post(f"/runs/{stopped['id']}/cancel")

    async def _meets_a_bad_provider(self, visitor: Visitor) -> None:
        """A retry, an answer that is taken back, a fallback, a breaker that opens."""
        session = await visitor.open_session("")
        await self._first.script(HttpError(503, when="once more"), Text("Well.", when="once more"))
        await visitor.ask(session, "Try once more")
        await self._first.script(Text(_ANSWER, when="in the middle", ending="reset", after=4, times=2))
        await visitor.ask(session, "Stop in the middle")
        await self._first.script(HttpError(500, when="for now", times=6))
        for _ in range(3):
            await visitor.ask(session, "Break for now")

    async def _loses_a_provider(self, visitor: Visitor) -> None:
        for provider in (self._first, self._second):
            await provider.script(HttpError(500, when="nobody answers", times=2))
        await visitor.ask(await visitor.open_session(""), "When nobody answers")

    async def _guesses(self, visitor: Visitor) -> None:
        email = (await visitor.http.get("/auth/me")).json()["email"]
        await self._log_in(visitor, email, PASSWORD)
        for _ in range(4):
            await self._log_in(visitor, "nobody@example.com", _WRONG)

    async def _steals(self, visitor: Visitor) -> None:
        email = (await visitor.http.get("/auth/me")).json()["email"]
        token = (await self._log_in(visitor, email, PASSWORD)).json()["refresh_token"]
        for _ in range(3):
            await visitor.http.post("/auth/refresh", json={"refresh_token": token})

    async def _knocks(self, visitor: Visitor) -> None:
        await visitor.http.get("/sessions/01900000-0000-7000-8000-000000000000")
        await visitor.http.get("/nothing/here")
        await visitor.http.post("/sessions", json={"unknown": 1})
        await visitor.http.get("/auth/me", headers={"Authorization": "Bearer nonsense"})

    async def _log_in(self, visitor: Visitor, email: str, password: str) -> httpx.Response:
        return await visitor.http.post("/auth/login", data={"username": email, "password": password})
