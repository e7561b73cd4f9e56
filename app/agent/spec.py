"""What an agent is to the server: all it must know to list it, open a session with it and make its runs.

`registry` names the agents there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot

from app.agent.config import AgentConfig, Limits
from app.agent.state import AgentContext, Listener
from app.llm.hooks import Hook

# What is wrong is told of the first fields, and of none by more than this much of its name.
_MOST_FAULTS: Final = 20
_LONGEST_FIELD: Final = 100

# The state is the agent's own, with `messages` in it; the context is the same for all.
type AgentGraph = CompiledStateGraph[Any, AgentContext, Any, Any]


class Build(Protocol):
    """Compiles the agent's graph. Its context is AgentContext, and its state has `messages` with the reducer `add_messages`."""

    def __call__(self, checkpointer: BaseCheckpointSaver[str], tools: Sequence[BaseTool]) -> AgentGraph: ...


class Recount(Protocol):
    """Tells again what a run has done that is in none of its messages.

    `before` is where it began, `now` where it goes on after a crash or a question, with its subgraphs' states in the tasks.
    """

    def __call__(self, now: StateSnapshot, before: StateSnapshot | None, listener: Listener) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent that can be served.

    `examples` are messages that show what it is good for; a page offers them. One that `takes_tools` can be given more tools, from MCP
    servers. `model` is asked where neither message nor session names one, and
    None is the server's default. `events` are the types that its runs may write, of those in app/runs/events.py, beside those that every
    run writes. `hooks` see the prompts and answers of its runs, after those of the server.
    """

    name: str
    description: str
    build: Build
    tools: Sequence[BaseTool]
    examples: Sequence[str] = ()
    takes_tools: bool = True
    config: type[AgentConfig] = AgentConfig
    model: str | None = None
    limits: Limits = field(default_factory=Limits)
    events: frozenset[str] = frozenset({"memory", "token", "reasoning", "tool_call", "tool_result", "interrupt"})
    recount: Recount | None = None
    hooks: Sequence[Hook] = ()

    def configured(self, values: Mapping[str, Any]) -> AgentConfig:
        """What a session sets, checked; raise InvalidInput."""
        return self.config.of(values)
