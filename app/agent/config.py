"""What a session may set of its agent, and what a run may come to."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.text import checked

Storable = Annotated[str, Field(max_length=200), AfterValidator(checked)]


class AgentConfig(BaseModel):
    """What a session may set of its agent; an agent with more to set derives its own from this one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instructions: Annotated[str, Field(max_length=4_000, description="Added to the agent's own instructions"), AfterValidator(checked)] = ""
    tools_off: Annotated[tuple[Storable, ...], Field(max_length=100, description="Names of tools that it is not to use")] = ()
    model: Annotated[str, Field(max_length=200, description="Asked where a message names none"), AfterValidator(checked)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, description="The model's own where it is left out")] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may come to, beside what the settings allow at the most.

    `steps` are the graph's, `cost_usd` is in dollars; a model whose price is not known costs nothing here.
    """

    steps: int = 25
    tool_calls: int = 20
    seconds: float = 300
    cost_usd: float | None = None
