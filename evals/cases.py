"""What an agent is tried on: cases as people write them in `evals/datasets`, or as they are made of real runs."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

MOST_TURNS: Final = 20

type CaseId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
type Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
type Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolWish(_Part):
    """A call that is expected; without `args` with any, else with these among its arguments."""

    name: str
    args: dict[str, JsonValue] | None = None


class Trajectory(_Part):
    """The tools that are expected. In `any` order; in the `same` order, others between; or `exact`: these and no others."""

    calls: tuple[ToolWish, ...] = ()
    order: Literal["any", "same", "exact"] = "any"
    others: bool = Field(default=False, description="Whether calls beside these are fine; false counts them as needless")


class Persona(_Part):
    """Somebody whom a model plays, to talk with the agent."""

    who: Text
    goal: Text
    turns: int = Field(default=4, ge=1, le=MOST_TURNS)


class Checks(_Part):
    """What can be told of an answer without a judge; each that is given is a metric of its own, by the field's name."""

    equals: str | None = None
    contains: tuple[str, ...] | None = None
    lacks: tuple[str, ...] | None = None
    matches: str | None = Field(default=None, description="A regular expression that is searched for")
    json_schema: dict[str, Any] | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] | None = Field(default=None, description="ISO 639-1")
    max_words: int | None = Field(default=None, ge=1)
    min_words: int | None = Field(default=None, ge=1)
    refuses: bool | None = Field(default=None, description="Whether the agent should refuse, or should not")
    max_seconds: float | None = Field(default=None, gt=0)
    max_cost_usd: float | None = Field(default=None, ge=0)


class Case(_Part):
    """One of `input`, `conversation` (what the user says, message by message) and `persona` says what the agent is told."""

    id: CaseId
    input: Text | None = None
    conversation: tuple[Text, ...] = Field(default=(), max_length=MOST_TURNS)
    persona: Persona | None = None
    reference: Text | None = Field(default=None, description="A right answer")
    context: Text | None = Field(default=None, description="What an answer must be grounded in")
    instructions: tuple[str, ...] = Field(default=(), description="What an answer must keep to, beside what the user asks")
    tools: Trajectory | None = None
    checks: Checks = Checks()
    tags: frozenset[Tag] = frozenset()
    weight: float = Field(default=1, gt=0, le=1_000)
    reviewed: bool = Field(default=True, description="False until a person has read a case that was made of what a user said")
    note: str = Field(default="", max_length=100_000, description="For who reads the case; no metric sees it")

    @model_validator(mode="after")
    def _asks_in_one_way(self) -> Self:
        if sum(map(bool, (self.input, self.conversation, self.persona))) != 1:
            raise ValueError("must have one of input, conversation and persona")
        return self

    @property
    def says(self) -> Sequence[str]:
        """The user's messages, none where a persona thinks of them."""
        return (self.input,) if self.input else self.conversation


class Dataset(_Part):
    """Cases under a name; whoever changes what they mean gives them another `version`."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
    version: int = Field(ge=1)
    description: str = ""
    cases: tuple[Case, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_each_case_once(self) -> Self:
        ids = [case.id for case in self.cases]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"has cases more than once: {', '.join(twice[:5])}")
        return self
