"""State is what a checkpoint may keep for years; context is the means of one run and is never stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypedDict
from uuid import UUID

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import Runnable
from langgraph.graph.message import add_messages

from app.agent.memory import Memory
from app.settings import ToolSettings

# A chat model with its tools bound.
type Chat = Runnable[LanguageModelInput, AIMessage]


class AgentState(TypedDict):
    """What a session keeps between messages."""

    messages: Annotated[list[AnyMessage], add_messages]
    memories: list[str]


class AgentUpdate(TypedDict, total=False):
    """What a node answers with: the parts of the state it changes."""

    messages: list[AnyMessage]
    memories: list[str]


class Listener(Protocol):
    """Hears what happens while the graph runs; called on the event loop for every token, so it must return at once."""

    def remembered(self, memories: Sequence[str]) -> None: ...
    def token(self, content: str) -> None: ...
    def reasoning(self, content: str) -> None: ...
    def tool_called(self, call_id: str, name: str, args: Mapping[str, Any]) -> None: ...
    def tool_answered(self, call_id: str, name: str, content: str, *, is_error: bool) -> None: ...
    def used(self, usage: UsageMetadata) -> None: ...


class CallStarts(Protocol):
    """Knows which calls of tools that must not be repeated have been begun in this run."""

    async def begin(self, task_id: str) -> bool:
        """Write down that the call is about to be made; False when it may have been made before."""
        ...


class SessionNames(Protocol):
    async def rename(self, session_id: UUID, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentContext:
    """The means of one run; a tool takes the user from here, never from the model's arguments."""

    user_id: str
    user_name: str
    session_id: str
    model: Chat
    memory: Memory
    listener: Listener
    tools: ToolSettings
    starts: CallStarts
    names: SessionNames
