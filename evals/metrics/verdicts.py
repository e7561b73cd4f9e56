"""What a check or a look at the trajectory comes to, as a score."""

from collections.abc import Callable
from typing import NamedTuple

from evals.answers import Answer
from evals.scores import Score


class Verdict(NamedTuple):
    """Whether the answer is as it should be, and why that is so."""

    passed: bool
    reasoning: str


class Undecided(Exception):
    """Nobody can tell, for the reason of this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def scored(metric: str, answer: Answer, look: Callable[[], Verdict]) -> Score:
    """An answer that failed is 0 without a look: an empty text lacks all that it should lack."""
    if answer.error:
        return Score(metric=metric, value=0, reasoning=f"There is no answer: {answer.error}.")
    try:
        verdict = look()
    except Undecided as undecided:
        return Score(metric=metric, value=None, error=undecided.code)
    return Score(metric=metric, value=float(verdict.passed), reasoning=f"The answer {verdict.reasoning}.")
