"""What a metric says of an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from evals.answers import Answer
from evals.cases import Case

type Kind = Literal["check", "trajectory", "judge", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`value` is None where there is none, and `error` says why: a judge that could not be read has not said 0."""

    metric: str
    value: float | None
    reasoning: str = ""
    error: str = ""
    judge: str = ""
    cost_usd: float | None = 0


class Metric(Protocol):
    """`unit` is empty for a share of 0 to 1, more being better; a measure in seconds or dollars is better the less it is."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def unit(self) -> Literal["", "s", "$", "words"]: ...

    def applies_to(self, case: Case) -> bool: ...

    async def score(self, case: Case, answer: Answer) -> Sequence[Score]:
        """Raise nothing: what goes wrong is the `error` of a score. Nothing, too, for an answer that failed and has nothing to tell."""
        ...
