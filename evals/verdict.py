"""What a gate says of an experiment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals.estimates import Estimate

# `not_enough` has too few cases to say anything, which is red too; `not_compared` had no baseline, which is not.
type State = Literal["green", "red", "not_enough", "not_compared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One rule's; `reason` is a sentence with its figures, `cases` are those that it names, the worst first."""

    rule: str
    state: State
    reason: str
    metric: str = ""
    tag: str = ""
    estimate: Estimate | None = None
    p: float | None = None
    cases: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        return self.state in ("green", "not_compared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`baseline` is the id of the experiment that this one was compared with, if any."""

    judgements: Sequence[Judgement]
    baseline: str = ""

    @property
    def passed(self) -> bool:
        return all(judgement.passed for judgement in self.judgements)
