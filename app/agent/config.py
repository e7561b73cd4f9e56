"""What a session may set of its agent, and what a run may come to."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from app.errors import InvalidInput
from app.text import checked

ToolName = Annotated[str, Field(max_length=200), AfterValidator(checked)]

# JSON has lists, whatever Python makes of them.
_LISTS: Final = frozenset({"list_type", "tuple_type", "set_type", "frozen_set_type"})


class AgentConfig(BaseModel):
    """What a session may set of its agent; an agent with more to set derives its own from this one.

    It is strict: a number is no text and no boolean, and what was set is kept as it was set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    instructions: Annotated[str, Field(max_length=4_000, description="Added to the agent's own instructions"), AfterValidator(checked)] = ""
    tools_off: Annotated[tuple[ToolName, ...], Field(max_length=100, description="Names of tools that it is not to use")] = ()
    model: Annotated[str, Field(max_length=200, description="Asked where a message names none"), AfterValidator(checked)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, description="The model's own where it is left out")] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Raise InvalidInput, with each member that does not fit as a fault."""
        try:
            # As JSON, which it is: a list is then as good as a tuple, and a text as the enum that it names.
            return cls.model_validate_json(json.dumps(values))
        except ValidationError as error:
            raise InvalidInput(faults=_faults(error.errors(include_url=False, include_input=False))) from error


def _faults(errors: Iterable[ErrorDetails]) -> Iterable[tuple[str, str]]:
    for error in errors:
        words = "Input should be a valid list" if error["type"] in _LISTS else error["msg"].removeprefix("Value error, ")
        yield ".".join(map(str, ("config", *error["loc"]))), words


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may come to, beside what the settings allow at the most.

    `steps` are the graph's, `cost_usd` is in dollars; a model whose price is not known costs nothing here.
    """

    steps: int = 25
    tool_calls: int = 20
    seconds: float = 300
    cost_usd: float | None = None
