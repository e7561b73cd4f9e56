"""Runs with real tasks, log and graph; the model is scripted, and the tables are in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool

from app.agent.assistant import ASSISTANT
from app.agent.registry import Agents
from app.agent.tools import TOOLS
from app.llm.hooks import Hook
from app.runs.asking import Ask, Reply
from app.runs.opening import Office, Rows, open_runs
from app.runs.questions import Questions
from app.runs.walk import Means
from app.settings import ContextSettings, RunSettings, ToolSettings
from tests.fakes import ADA, NamesInMemory, Piece, ScriptedChat, WebOf, models_of
from tests.runs.stores import NoAttachments, PastInMemory, QuestionsInMemory, RunsInMemory, TurnsInMemory
from tests.runs.tables import EventsInMemory, Tables, bench_of


@dataclass(slots=True, kw_only=True)
class Scene:
    """Somebody talks to a process."""

    office: Office
    questions: Questions
    store: Tables
    chat: ScriptedChat
    session: UUID = field(default_factory=uuid4)

    async def asks(self, text: str | None = "Well?", **more: Any) -> UUID:
        return await self.office.runs.start(Ask(user=ADA, session_id=more.pop("session_id", self.session), text=text, **more))

    async def answers(self, answers: Mapping[str, Any], **more: Any) -> UUID:
        """Answer the session's questions, by their ids."""
        return await self.questions.answer(Reply(user=ADA, session_id=self.session, answers=answers, **more))

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

    def heard(self) -> list[BaseMessage]:
        """What the model was told last, without its instructions."""
        return self.chat.asked[-1][1:]

    def live(self) -> list[UUID]:
        return [run.id for run in self.office.attempts]


type Scenery = Callable[..., AbstractAsyncContextManager[Scene]]


@pytest.fixture
def scenery() -> Scenery:
    """Open a process whose model gives these answers, with settings by their variables' names; `store` is what it shares with others."""

    @asynccontextmanager
    async def scene(
        *answers: Sequence[Piece],
        tools: Sequence[BaseTool] = (),
        hooks: Sequence[Hook] = (),
        store: Tables | None = None,
        session: UUID | None = None,
        **settings: Any,
    ) -> AsyncIterator[Scene]:
        store, chat, owner = store or Tables(), ScriptedChat(*answers), uuid4()
        agents = Agents(store.checkpoints, [replace(ASSISTANT, tools=[*TOOLS, *tools], hooks=hooks)])
        means = Means(
            agents=agents,
            memory=None,
            names=NamesInMemory(),
            runs=RunSettings(EVENT_FLUSH_MS=1, **settings),
            tools=ToolSettings(),
            room=nullcontext(),
            web=WebOf(),
            context=ContextSettings(**settings),
        )
        turns, events = TurnsInMemory(store, owner), EventsInMemory(store)
        past, nothing = PastInMemory(store), NoAttachments()
        rows = Rows(runs=RunsInMemory(store, owner), turns=turns, past=past, events=events, attachments=nothing)
        async with open_runs(means, models_of(chat), bench_of(agents.graph(ASSISTANT.name), store), rows) as office:
            store.ears.append(office.work)
            store.bulletins.append(office.bulletin)
            questions = Questions(QuestionsInMemory(store), turns, office.runs, office.tails)
            yield Scene(office=office, questions=questions, store=store, chat=chat, session=session or uuid4())

    return scene
