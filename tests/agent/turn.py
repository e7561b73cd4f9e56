"""An agent at work for one session, with all that can be seen of it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, Interrupt

from app.agent.assistant import ASSISTANT
from app.agent.config import Limits
from app.agent.memory import Memory
from app.agent.spec import Agent
from app.agent.state import AgentContext, AgentState, CallStarts
from app.llm.asking import Asker
from app.settings import ContextSettings, ToolSettings
from tests.fakes import HeardAll, NamesInMemory, Piece, ScriptedChat, StartsInMemory, WebOf, models_of


class Turn:
    def __init__(
        self,
        *answers: Sequence[Piece],
        memory: Memory | None = None,
        tools: Sequence[BaseTool] = (),
        tool_seconds: float = 5,
        starts: CallStarts | None = None,
        config: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        room: AbstractAsyncContextManager[None] | None = None,
        agent: Agent = ASSISTANT,
        chat: ScriptedChat | None = None,
        web: WebOf | None = None,
        allowed: frozenset[str] | None = None,
        **bounds: Any,
    ) -> None:
        self.chat = chat or ScriptedChat(*answers)
        self.listener = HeardAll()
        self.names = NamesInMemory()
        self.agent = agent.build(InMemorySaver(), [*agent.tools, *tools])
        self.web = web or WebOf()
        self.session_id: UUID = uuid4()
        self.config: RunnableConfig = {"configurable": {"thread_id": "first"}, "recursion_limit": 10}
        self._context = AgentContext(
            user_id="ada-id",
            user_name="ada",
            session_id=str(self.session_id),
            model=Asker(models_of(self.chat), None, self.listener),
            memory=memory,
            listener=self.listener,
            tools=ToolSettings(TOOL_TIMEOUT_SECONDS=tool_seconds),
            web=self.web,
            bounds=ContextSettings(**bounds),
            starts=starts or StartsInMemory(),
            names=self.names,
            agent=agent.name,
            config=agent.configured(config or {}),
            limits=limits or agent.limits,
            room=room or nullcontext(),
            allowed=allowed,
        )

    def has_become(self, **changes: Any) -> None:
        """Other means, as a run that goes on days later may find them."""
        self._context = replace(self._context, **changes)

    def asks(self, chat: BaseChatModel) -> None:
        """Another model, instead of the scripted one."""
        self._context = replace(self._context, model=Asker(models_of(chat), None, self.listener))

    async def takes(self, message: str, *before: AnyMessage) -> list[BaseMessage]:
        """Send a message, after others that close the turn before it; return the conversation."""
        return await self._goes(AgentState(messages=[*before, HumanMessage(message)]))

    async def hears(self, *answers: object) -> list[BaseMessage]:
        """Answer the questions that it waits for, None leaving one open; return the conversation."""
        answered = {question.id: answer for question, answer in zip(await self.questions(), answers, strict=True) if answer is not None}
        return await self._goes(Command(resume=answered))

    async def goes_on(self) -> list[BaseMessage]:
        """Take up what was broken off, as another attempt does."""
        return await self._goes(None)

    async def stations(self, message: str) -> list[str]:
        state = AgentState(messages=[HumanMessage(message)])
        updates: AsyncIterator[Any] = self.agent.astream(state, self.config, context=self._context, stream_mode="updates")
        return [name async for update in updates for name in update]

    async def questions(self) -> list[Interrupt]:
        """What it asks people, in the order of the calls."""
        return [question for task in (await self.agent.aget_state(self.config)).tasks for question in task.interrupts]

    def answers_of_tools(self) -> list[ToolMessage]:
        """What the model was told by tools in its last call."""
        return [message for message in self.chat.asked[-1] if isinstance(message, ToolMessage)]

    async def _goes(self, state: AgentState | Command[Any] | None) -> list[BaseMessage]:
        end = await self.agent.ainvoke(state, self.config, context=self._context)
        return list(end["messages"])
