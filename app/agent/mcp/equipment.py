"""Who has which tools of which MCP servers."""

from collections.abc import Sequence
from typing import Final

import structlog
from langchain_core.tools import BaseTool
from mcp import types

from app.agent.mcp.line import Line
from app.agent.mcp.tools import tools_of
from app.agent.registry import Agents

log = structlog.get_logger()


class Equipment:
    """Tools of a server that is gone stay: the model is told that they are not available, which it can act on."""

    def __init__(self, agents: Agents) -> None:
        self._agents: Final = agents
        self._listed: dict[str, Sequence[types.Tool]] = {}
        self._tools: dict[str, tuple[Line, Sequence[BaseTool]]] = {}

    def bring(self, line: Line, listed: Sequence[types.Tool]) -> None:
        """Take what a server lists; only what is new is worth compiling the agents again."""
        name = line.server.name
        if self._listed.get(name) == listed:
            return
        tools = tools_of(line, listed)
        self._listed[name], self._tools[name] = listed, (line, tools)
        self._agents.equip({agent.name: self._of(agent.name) for agent in self._agents})
        log.info("mcp_tools_ready", server=name, count=len(tools))

    def _of(self, agent: str) -> Sequence[BaseTool]:
        return [tool for line, tools in self._tools.values() if agent in line.server.agents for tool in tools]
