"""Two experiments side by side: a judge sees each pair of answers in both orders, so that it can be seen whether the order decides."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from evals.answers import Answer
from evals.asking import UNREADABLE, Judging
from evals.cases import Case
from evals.estimates import Estimate
from evals.experiment import Experiment, Result
from evals.figures import is_same
from evals.metrics.judged import in_tags, shown
from evals.statistics import Weighed, mean

_PROMPT: Final = Path(__file__).parent / "prompts" / "pairwise.md"
_CHOICES: Final = ("first", "second", "tie")
_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "preference",
    "description": "Which of two answers is better",
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "better": {"type": "string", "enum": [*_CHOICES]}},
    "required": ["reasoning", "better"],
    "additionalProperties": False,
}

type Better = Literal["one", "other", "tie"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """`better` is a tie, too, where the judge chose by the order, which `by_order` says. With an `error` there is no preference."""

    case_id: str
    attempt: int
    better: Better = "tie"
    by_order: bool = False
    reasoning: Sequence[str] = ()
    error: str = ""
    chose_first: int = 0
    chose_second: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`wins_of_other` is the share among the pairs that were decided. `first_place` is the share of choices, among those that were no tie,
    that fell on the answer that stood first: 0.5 for a judge that the order does not sway. `consistent` is the share of pairs in which both
    orders said the same. Each counts a case once, as the mean of its pairs: neither both orders nor repeats are cases of their own.
    """

    one: str
    other: str
    judge: str
    preferences: Sequence[Preference]
    wins_of_other: Estimate
    ties: int
    first_place: Estimate
    consistent: Estimate
    unreadable: int
    cost_usd: float | None


async def compare_pairs(one: Experiment, other: Experiment, judging: Judging, *, concurrency: int = 4) -> Comparison:
    """Judge each case and attempt that both have, that ask the same in both, and that neither failed."""
    free = asyncio.Semaphore(concurrency)
    others = {_key(result): result for result in other.results}

    async def preferred(case: Case, ours: Answer, theirs: Answer) -> Preference:
        async with free:
            return await prefer(case, ours, theirs, judging)

    pairs = [(result, others[_key(result)]) for result in one.results if _key(result) in others]
    whole = [(ours, theirs) for ours, theirs in pairs if is_same(ours.case, theirs.case) and not (ours.answer.error or theirs.answer.error)]
    preferences = await asyncio.gather(*(preferred(ours.case, ours.answer, theirs.answer) for ours, theirs in whole))
    return _comparison(one.id, other.id, judging.name, preferences)


async def prefer(case: Case, one: Answer, other: Answer, judging: Judging) -> Preference:
    """Ask twice, with the answers in either order."""
    instructions = _PROMPT.read_text()
    orders = [(one, other), (other, one)]
    asked = [judging.ask(instructions, _shown(case, *order), _SCHEMA) for order in orders]
    said = await asyncio.gather(*asked)
    costs = [each.cost_usd for each in said]
    cost_usd = None if None in costs else sum(cost for cost in costs if cost is not None)
    choices = [each.value.get("better") for each in said]
    if error := next((each.error for each in said if each.error), "" if all(choice in _CHOICES for choice in choices) else UNREADABLE):
        return Preference(case_id=case.id, attempt=one.attempt, error=error, cost_usd=cost_usd)
    return Preference(
        case_id=case.id,
        attempt=one.attempt,
        better=_better(choices),
        by_order=choices in (["first", "first"], ["second", "second"]),
        reasoning=[str(each.value.get("reasoning", "")) for each in said],
        chose_first=choices.count("first"),
        chose_second=choices.count("second"),
        cost_usd=cost_usd,
    )


def _better(choices: Sequence[object]) -> Better:
    match choices:
        case ["first", "second"]:
            return "one"
        case ["second", "first"]:
            return "other"
        case _:
            return "tie"


def _comparison(one: str, other: str, judge: str, preferences: Sequence[Preference]) -> Comparison:
    read = [each for each in preferences if not each.error]
    wins, losses = sum(each.better == "other" for each in read), sum(each.better == "one" for each in read)
    costs = [each.cost_usd for each in preferences]
    return Comparison(
        one=one,
        other=other,
        judge=judge,
        preferences=preferences,
        wins_of_other=_by_case(read, lambda each: None if each.better == "tie" else float(each.better == "other")),
        ties=len(read) - wins - losses,
        first_place=_by_case(read, _first_place),
        consistent=_by_case(read, lambda each: float(each.better != "tie" or not each.chose_first + each.chose_second)),
        unreadable=len(preferences) - len(read),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
    )


def _first_place(preference: Preference) -> float | None:
    choices = preference.chose_first + preference.chose_second
    return preference.chose_first / choices if choices else None


def _by_case(preferences: Sequence[Preference], look: Callable[[Preference], float | None]) -> Estimate:
    seen: dict[str, list[float]] = defaultdict(list)
    for preference in preferences:
        if (value := look(preference)) is not None:
            seen[preference.case_id].append(value)
    return mean([Weighed(value=sum(values) / len(values)) for values in seen.values()])


def _shown(case: Case, first: Answer, second: Answer) -> str:
    beside = {"reference": case.reference, "context": case.context, "instructions": case.instructions}
    told = {"case": {name: value for name, value in beside.items() if value}, "first": shown(first), "second": shown(second)}
    return in_tags("answers", told)


def _key(result: Result) -> tuple[str, int]:
    return result.case.id, result.answer.attempt
