"""The agents as a user may choose and set them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from langchain_core.tools import BaseTool

from app.agent.registry import DEFAULT_AGENT, Agents
from app.agent.spec import Agent
from app.errors import InvalidInput
from app.llm.models import Models

_LONGEST_NAMED: Final = 300


class Catalog:
    default = DEFAULT_AGENT

    def __init__(self, agents: Agents, models: Models) -> None:
        self._agents = agents
        self._models = models
        self._pictures: dict[str, str] = {}

    def __iter__(self) -> Iterator[Agent]:
        return iter(self._agents)

    def checked(self, agent: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration as it is kept: what was set, also where it is the agent's default today, and nothing else.

        Raise UnknownAgent, UnknownModel, or InvalidInput that names what is wrong.
        """
        found = self._agents.get(agent)
        checked = found.configured(config)
        known = {tool.name for tool in self._agents.tools(agent)}
        if unknown := sorted({*checked.tools_off} - known):
            words = f"{', '.join(unknown)[:_LONGEST_NAMED]} is none of this agent's tools, which are {', '.join(sorted(known))}"
            raise InvalidInput(faults=[("config.tools_off", words)])
        if checked.model is not None:
            self._models.get(checked.model)
        return checked.model_dump(mode="json", exclude_unset=True)

    def tools(self, agent: str) -> Sequence[BaseTool]:
        return self._agents.tools(agent)

    def picture(self, agent: str) -> str:
        """The graph as Mermaid, drawn once."""
        if agent not in self._pictures:
            self._pictures[agent] = self._agents.picture(agent)
        return self._pictures[agent]
