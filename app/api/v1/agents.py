"""The agents a session may be held with."""

from functools import cache
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from app.agent.marks import is_once_only, is_to_be_approved
from app.agent.spec import Agent
from app.api.deps import CatalogDep, CurrentTier
from app.api.v1.chat_schemas import AskIn
from app.runs.catalog import Catalog
from app.settings import Tier

router = APIRouter()


class ToolOut(BaseModel):
    """A tool the agent may call; one that `needs_approval` asks the user first, and one that is `once_only` is never repeated.

    Where it is not `allowed`, one's tier may not have it, and the agent goes without.
    """

    name: str
    description: str
    allowed: bool
    needs_approval: bool
    once_only: bool


class LimitsOut(BaseModel):
    """What one run may come to, beside the server's own limits; `cost_usd` is None where there is none."""

    steps: int
    tool_calls: int
    seconds: float
    cost_usd: float | None


class AgentOut(BaseModel):
    """`input_schema` is that of a message, `config_schema` that of a session's `config`; `events` are those its runs may write beside
    the ones that every run writes, and `examples` messages to begin with. `mermaid` is its graph, drawn by LangGraph. Without a `model` it
    asks the server's default.
    """

    name: str
    description: str
    is_default: bool
    model: str | None
    tools: list[ToolOut]
    limits: LimitsOut
    events: list[str]
    examples: list[str]
    input_schema: dict[str, Any]
    config_schema: dict[str, Any]
    mermaid: str


class AgentList(BaseModel):
    items: list[AgentOut]
    default: str


@router.get("")
async def list_agents(tier: CurrentTier, catalog: CatalogDep) -> AgentList:
    return AgentList(items=[_agent(agent, catalog, tier) for agent in catalog], default=catalog.default)


def _agent(agent: Agent, catalog: Catalog, tier: Tier) -> AgentOut:
    tools = [
        ToolOut(
            name=tool.name,
            description=tool.description,
            allowed=tier.tools is None or tool.name in tier.tools,
            needs_approval=is_to_be_approved(tool),
            once_only=is_once_only(tool),
        )
        for tool in catalog.tools(agent.name)
    ]
    return AgentOut(
        name=agent.name,
        description=agent.description,
        is_default=agent.name == catalog.default,
        model=agent.model,
        tools=tools,
        limits=LimitsOut.model_validate(agent.limits, from_attributes=True),
        events=sorted(agent.events),
        examples=[*agent.examples],
        input_schema=_schema(AskIn),
        config_schema=_schema(agent.config),
        mermaid=catalog.picture(agent.name),
    )


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Made once: it takes pydantic milliseconds."""
    return model.model_json_schema()
