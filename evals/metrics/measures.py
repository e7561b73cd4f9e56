"""What an answer took: not good or bad by itself, but to be compared and bounded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from evals.answers import Answer
from evals.cases import Case
from evals.scores import Kind, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Of every case; the less the better."""

    name: str
    unit: Literal["s", "$", "words"]
    read: Callable[[Answer], float | None]
    unknown: str

    @property
    def kind(self) -> Kind:
        return "measure"

    def applies_to(self, case: Case) -> bool:  # noqa: ARG002  # the protocol's
        return True

    async def score(self, case: Case, answer: Answer) -> Sequence[Score]:  # noqa: ARG002
        if answer.error:
            return []
        value = self.read(answer)
        return [Score(metric=self.name, value=value, error=self.unknown if value is None else "")]


def _first_token(answer: Answer) -> float | None:
    """The first turn's: what somebody waits before anything shows."""
    return answer.turns[0].first_token_seconds if answer.turns else None


def _words(answer: Answer) -> float:
    return float(len(answer.text.split()))


MEASURES: Final[Sequence[Measure]] = [
    Measure(name="seconds", unit="s", read=lambda answer: answer.seconds, unknown=""),
    Measure(name="first_token", unit="s", read=_first_token, unknown="no_token"),
    Measure(name="cost", unit="$", read=lambda answer: answer.cost_usd, unknown="price_unknown"),
    Measure(name="words", unit="words", read=_words, unknown=""),
]
