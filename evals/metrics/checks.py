"""What can be told of an answer without a judge: a metric for each field of Checks, named as the field is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from evals.answers import Answer
from evals.cases import Case
from evals.metrics.forms import fits_schema, matches_pattern
from evals.metrics.languages import speaks
from evals.metrics.refusals import is_refusal
from evals.metrics.verdicts import Undecided, Verdict, scored
from evals.scores import Kind, Score

_MOST_SHOWN: Final = 80

# What is wished for, and the answer; raises Undecided where nobody can tell.
type _Look = Callable[[Any, Answer], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """1 where the answer is as the case wants it, 0 where it is not; an answer that never came is not."""

    name: str
    look: _Look

    @property
    def kind(self) -> Kind:
        return "check"

    @property
    def unit(self) -> Literal[""]:
        return ""

    def applies_to(self, case: Case) -> bool:
        return self._wish(case) is not None

    async def score(self, case: Case, answer: Answer) -> Sequence[Score]:
        return [scored(self.name, answer, lambda: self.look(self._wish(case), answer))]

    def _wish(self, case: Case) -> Any:  # noqa: ANN401  # what each field takes
        return getattr(case.checks, self.name)


def _equals(wish: str, answer: Answer) -> Verdict:
    return Verdict(_plain(answer.text) == _plain(wish), f"should be “{_shown(wish)}”, but for white space")


def _contains(wishes: Sequence[str], answer: Answer) -> Verdict:
    text = _folded(answer.text)
    return _none([wish for wish in wishes if _folded(wish) not in text], "lacks")


def _lacks(wishes: Sequence[str], answer: Answer) -> Verdict:
    text = _folded(answer.text)
    return _none([wish for wish in wishes if _folded(wish) in text], "contains")


def _max_words(most: int, answer: Answer) -> Verdict:
    return Verdict((n := len(answer.text.split())) <= most, f"has {n} words, at most {most} are wanted")


def _min_words(least: int, answer: Answer) -> Verdict:
    return Verdict((n := len(answer.text.split())) >= least, f"has {n} words, at least {least} are wanted")


def _refuses(wish: bool, answer: Answer) -> Verdict:
    refused = is_refusal(answer.text)
    return Verdict(refused is wish, f"{'reads' if refused else 'does not read'} as a refusal")


def _max_seconds(most: float, answer: Answer) -> Verdict:
    return Verdict(answer.seconds <= most, f"took {answer.seconds:.2f} s, at most {most:g} s are wanted")


def _max_cost_usd(most: float, answer: Answer) -> Verdict:
    if (cost := answer.cost_usd) is None:
        raise Undecided("price_unknown")
    return Verdict(cost <= most, f"cost ${cost:.6f}, at most ${most:g} are wanted")


def _none(found: Sequence[str], verb: str) -> Verdict:
    return Verdict(not found, f"{verb} {', '.join(f'“{_shown(one)}”' for one in found)}" if found else f"{verb} none of them")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _folded(text: str) -> str:
    return _plain(text).casefold()


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


_LOOKS: Final[Mapping[str, _Look]] = {
    "equals": _equals,
    "contains": _contains,
    "lacks": _lacks,
    "matches": lambda wish, answer: matches_pattern(wish, answer.text),
    "json_schema": lambda wish, answer: fits_schema(wish, answer.text),
    "language": lambda wish, answer: speaks(wish, answer.text),
    "max_words": _max_words,
    "min_words": _min_words,
    "refuses": _refuses,
    "max_seconds": _max_seconds,
    "max_cost_usd": _max_cost_usd,
}
CHECKS: Final[Sequence[Check]] = [Check(name=name, look=look) for name, look in _LOOKS.items()]
