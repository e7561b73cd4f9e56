"""The agents of this server. To add one, write its package beside `assistant` and name it here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver

from app.agent.assistant import ASSISTANT
from app.agent.config import Limits
from app.agent.researcher import RESEARCHER
from app.agent.spec import Agent, AgentGraph
from app.errors import UnknownAgent
from app.llm.hooks import Hook

DEFAULT_AGENT: Final = ASSISTANT.name
AGENTS: Final[tuple[Agent, ...]] = (ASSISTANT, RESEARCHER)


class Agents:
    """The agents with their graphs, compiled once; each run takes a copy with a checkpointer of its own."""

    def __init__(self, checkpointer: BaseCheckpointSaver[str], agents: Sequence[Agent] = AGENTS) -> None:
        self._checkpointer = checkpointer
        self._agents = {agent.name: agent for agent in agents}
        self._graphs: Mapping[str, AgentGraph] = {}
        self._more: Mapping[str, Sequence[BaseTool]] = {}
        self.equip()

    def __iter__(self) -> Iterator[Agent]:
        return iter(self._agents.values())

    def equip(self, more: Mapping[str, Sequence[BaseTool]] | None = None) -> None:
        """Compile them anew, those that are named with more tools beside their own; runs that have begun go on with what they had."""
        self._more = more or {}
        self._graphs = {agent.name: agent.build(self._checkpointer, self.tools(agent.name)) for agent in self}

    def get(self, name: str) -> Agent:
        """Raise UnknownAgent, with the names there are."""
        try:
            return self._agents[name]
        except KeyError as error:
            raise UnknownAgent(f"There is no agent of this name; there are {', '.join(self._agents)}.") from error

    def tools(self, name: str) -> Sequence[BaseTool]:
        """Its own, and what it was equipped with, unless that has the name of one of its own; raise UnknownAgent."""
        own = self.get(name).tools
        names = {tool.name for tool in own}
        return [*own, *(tool for tool in self._more.get(name, ()) if tool.name not in names)]

    def graph(self, name: str) -> AgentGraph:
        """The default agent's where there is none of this name: who makes a run of such a session asks `get` first."""
        return self._graphs.get(name) or self._graphs[DEFAULT_AGENT]

    def picture(self, name: str) -> str:
        """The graph with its subgraphs as Mermaid, drawn by LangGraph; raise UnknownAgent."""
        self.get(name)
        # A node of a subgraph has a colon in its name, which LangGraph writes as CSS would.
        return self.graph(name).get_graph(xray=True).draw_mermaid(with_styles=False).replace("\\3a", "_")

    def limits(self, name: str) -> Limits:
        return self._agents[name].limits if name in self._agents else Limits()

    def hooks(self, name: str) -> Sequence[Hook]:
        return self._agents[name].hooks if name in self._agents else ()
