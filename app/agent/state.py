"""State is what a checkpoint may keep for years; context is the means of one run and is never stored."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, NotRequired, Protocol, TypedDict
from uuid import UUID

from langchain_core.messages import AnyMessage, RemoveMessage
from langchain_core.tools import BaseTool
from langgraph.channels import UntrackedValue
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps
from langgraph.runtime import Runtime

from app.agent.config import AgentConfig, Limits
from app.agent.memory import Memory
from app.agent.origin import Origin
from app.agent.prompts import ServedPrompts, no_served_prompts
from app.agent.web import Web
from app.llm.asking import Asker
from app.llm.calls import Hearer
from app.settings import ContextSettings, ToolSettings

_SWITCHED_OFF: Final = "This tool is switched off in this conversation."
_NOT_ALLOWED: Final = "This tool is not among those that this user may have."

type StepStatus = Literal["begun", "done", "failed"]


class AgentState(TypedDict):
    """What a session keeps between messages.

    Once it was compacted, `summary` tells of all that came before the message `kept_from`.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    # In no checkpoint: what a user deletes must not stay there.
    memories: NotRequired[Annotated[list[str], UntrackedValue]]
    summary: NotRequired[str]
    kept_from: NotRequired[str]
    remaining_steps: NotRequired[RemainingSteps]


class AgentUpdate(TypedDict, total=False):
    """What a node answers with: the parts of the state it changes."""

    messages: Sequence[AnyMessage | RemoveMessage]
    memories: list[str]
    summary: str
    kept_from: str


class Listener(Hearer, Protocol):
    """Hears what happens while the graph runs; called on the event loop for every token, so it must return at once."""

    def remembered(self, memories: Sequence[str]) -> None: ...
    def tool_called(self, call_id: str, name: str, args: Mapping[str, Any]) -> None: ...
    def tool_answered(self, call_id: str, name: str, content: str, *, is_error: bool) -> None: ...

    def step(self, origin: Origin, status: StepStatus, title: str, content: Mapping[str, Any]) -> None:
        """A step of an agent that is several begins or ends; `title` is for people, and `content` is JSON for pages."""
        ...

    def at(self, origin: Origin) -> "Listener":
        """The same listener, which tells where this and that came from."""
        ...

    def compacted(self, kept_from: str) -> None:
        """The model reads a summary of what came before this message."""
        ...


class CallStarts(Protocol):
    """Knows which calls of tools that must not be repeated have been begun in this run."""

    async def begin(self, task_id: str) -> bool:
        """Write down that the call is about to be made; False when it may have been made before."""
        ...


class SessionNames(Protocol):
    async def rename(self, session_id: UUID, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentContext:
    """The means of one run; a tool takes the user from here, never from the model's arguments.

    There is no `memory` where the user has none, or does not want it used. Calls of tools are made in the `room` that this process has for
    them: each enters it first, and waits where it is full. `config` is what the session has set, of the agent's own type; of tools those
    are `allowed` that the user's tier names, None for all. `prompts` are those that take the place of our own files.
    """

    user_id: str
    user_name: str
    session_id: str
    model: Asker
    memory: Memory | None
    listener: Listener
    tools: ToolSettings
    web: Web
    bounds: ContextSettings
    starts: CallStarts
    names: SessionNames
    agent: str
    config: AgentConfig
    limits: Limits
    room: AbstractAsyncContextManager[None] = field(default_factory=nullcontext)
    allowed: frozenset[str] | None = None
    prompts: ServedPrompts = no_served_prompts

    def usable(self, tools: Sequence[BaseTool]) -> Sequence[BaseTool]:
        """Those that the session has not switched off and the user's tier may have."""
        if not self.config.tools_off and self.allowed is None:
            return tools
        return [tool for tool in tools if self.why_no_tool(tool.name) is None]

    def why_no_tool(self, name: str) -> str | None:
        """What the model is told that calls a tool it was not given."""
        if name in self.config.tools_off:
            return _SWITCHED_OFF
        return None if self.allowed is None or name in self.allowed else _NOT_ALLOWED

    @property
    def options(self) -> Mapping[str, Any] | None:
        """What the session wants of the model, for `Asker.ask`."""
        return None if self.config.temperature is None else {"temperature": self.config.temperature}


class Node(Protocol):
    """A step of the graph."""

    async def __call__(self, state: AgentState, runtime: Runtime[AgentContext]) -> AgentUpdate: ...
