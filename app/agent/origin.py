"""Where in an agent something happens: so that a page can show who is at work."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from langchain_core.runnables import RunnableConfig

if TYPE_CHECKING:
    from app.agent.state import AgentContext, Listener

# What LangGraph puts between the places of a graph and of a graph in one of its nodes.
_WITHIN: Final = "|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """`namespace` is LangGraph's name for the step: the same node at work three times at once has three of them."""

    agent: str
    node: str
    namespace: str


def origin_of(context: "AgentContext", config: RunnableConfig) -> Origin:
    """Where the step of this config is."""
    return Origin(agent=context.agent, node=str(config["metadata"]["langgraph_node"]), namespace=_namespace(config))


def listener_of(context: "AgentContext", config: RunnableConfig) -> "Listener":
    """The run's listener, which is told the source of what happens in a graph within the agent's graph."""
    return context.listener.at(origin_of(context, config)) if _WITHIN in _namespace(config) else context.listener


def _namespace(config: RunnableConfig) -> str:
    return str(config["configurable"]["checkpoint_ns"])
