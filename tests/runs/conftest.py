"""Runs with real tasks, log and graph; the model is scripted, and the tables are in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver

from app.agent.graph import build_agent
from app.agent.memory import NoMemory
from app.agent.tools import TOOLS
from app.runs.opening import Office, open_runs
from app.runs.service import Ask
from app.runs.walk import Means
from app.settings import RunSettings, ToolSettings
from tests.fakes import ADA, EventsInMemory, Piece, RunsInMemory, ScriptedChat, models_of


@dataclass(slots=True, kw_only=True)
class Scene:
    """Somebody talks to a process."""

    office: Office
    store: RunsInMemory
    events: EventsInMemory
    chat: ScriptedChat
    session: UUID = field(default_factory=uuid4)

    async def asks(self, text: str = "Well?", **more: Any) -> UUID:
        return await self.office.runs.start(Ask(user=ADA, session_id=more.pop("session_id", self.session), text=text, **more))

    async def reads(self, run_id: UUID, after: int = 0) -> list[tuple[str, dict[str, Any]]]:
        """The run's events up to its end, which must come."""
        read: list[tuple[str, dict[str, Any]]] = []
        async with asyncio.timeout(5):
            async for entries in self.office.tails.read(run_id, after=after, silence_seconds=0.05):
                read += [(entry.type, orjson.loads(entry.payload)) for entry in entries]
        return read

    async def until_asked(self, times: int = 1) -> None:
        """Return when the model has been asked so often."""
        async with asyncio.timeout(5):
            while True:
                if len(self.chat.asked) >= times:
                    return
                await asyncio.sleep(0)


type Scenery = Callable[..., AbstractAsyncContextManager[Scene]]


@pytest.fixture
def scenery() -> Scenery:
    """Open a process whose model gives these answers, with settings by their variables' names."""

    @asynccontextmanager
    async def scene(
        *answers: Sequence[Piece], tools: Sequence[BaseTool] = (), store: RunsInMemory | None = None, **settings: Any
    ) -> AsyncIterator[Scene]:
        store = store or RunsInMemory()
        events, chat = EventsInMemory(store), ScriptedChat(*answers)
        agent = build_agent(InMemorySaver(), [*TOOLS, *tools])
        means = Means(memory=NoMemory(), runs=RunSettings(EVENT_FLUSH_MS=1, **settings), tools=ToolSettings())
        async with open_runs(means, models_of(chat), lambda _run, _attempt: agent, store, events) as office:
            yield Scene(office=office, store=store, events=events, chat=chat)

    return scene
