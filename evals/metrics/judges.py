"""Judges: models that say how good an answer is, each by a prompt of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals.answers import Answer
from evals.asking import UNREADABLE, Judging
from evals.cases import Case
from evals.metrics.judged import judged
from evals.metrics.rubrics import Rubric
from evals.scores import Kind, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """1 is always good. What could not be judged has no value: an answer that never came, and a verdict that cannot be read."""

    rubric: Rubric
    judging: Judging

    @property
    def name(self) -> str:
        return self.rubric.name

    @property
    def kind(self) -> Kind:
        return "judge"

    @property
    def unit(self) -> Literal[""]:
        return ""

    def applies_to(self, case: Case) -> bool:
        return self.rubric.applies_to(case)

    async def score(self, case: Case, answer: Answer) -> Sequence[Score]:
        if answer.error:
            return []
        said = await self.judging.ask(self.rubric.text, judged(case, answer), self.rubric.schema_of_verdict)
        value = None if said.error else self.rubric.value_of(said.value.get("score"))
        reasoning = said.value.get("reasoning", "")
        return [
            Score(
                metric=self.name,
                value=value,
                reasoning=reasoning if isinstance(reasoning, str) else "",
                error=said.error or (UNREADABLE if value is None else ""),
                judge=self.judging.name,
                cost_usd=said.cost_usd,
            )
        ]
