"""Two experiments side by side: what changed by metric and tag, how surely, and in which cases."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from evals.estimates import Estimate
from evals.experiment import Experiment
from evals.figures import Figures, is_same, pairs_of
from evals.statistics import Difference, Pair, detectable, difference, mean

LEVEL: Final = 0.05

# `changed` is of a metric of which neither more nor less is better.
type Finding = Literal["better", "worse", "changed", "no difference found", "not comparable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Both figures are of the cases that both have; `p` is two-sided, and not corrected for there being several rows.

    `detectable` is how large a change must truly be for so many cases to find it 8 times in 10, None where nobody can say.
    """

    metric: str
    tag: str
    unit: str
    before: Estimate
    after: Estimate
    difference: Estimate
    p: float
    finding: Finding
    detectable: float | None
    turned_bad: Sequence[str]
    turned_good: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`shared` cases are in both and ask the same; `other` are in one only, or ask something else by now."""

    before: str
    after: str
    shared: int
    other: int
    rows: Sequence[Row]


def compare(before: Experiment, after: Experiment, *, tags: bool = True) -> Comparison:
    olds, news = Figures(before), Figures(after)
    shared = sum(name in olds.cases and is_same(olds.cases[name], case) for name, case in news.cases.items())
    everything = len(olds.cases.keys() | news.cases.keys())
    return Comparison(
        before=before.id,
        after=after.id,
        shared=shared,
        other=everything - shared,
        rows=[*_rows(olds, news, ["", *(news.tags if tags else ())])],
    )


def _rows(olds: Figures, news: Figures, tags: Sequence[str]) -> Iterator[Row]:
    for metric in [*news.metrics, *(name for name in olds.metrics if name not in news.metrics)]:
        for tag in tags:
            pairs = pairs_of(olds, news, metric, tag)
            if pairs or not tag:
                yield _row(olds, news, metric, tag)


def _row(olds: Figures, news: Figures, metric: str, tag: str) -> Row:
    pairs, share = pairs_of(olds, news, metric, tag), news.is_share(metric)
    found = difference([*pairs.values()])
    unit = (news.metrics.get(metric) or olds.metrics[metric]).unit
    better = _direction(unit) or 1
    gains = {case_id: better * (pair.after - pair.before) for case_id, pair in pairs.items()}
    return Row(
        metric=metric,
        tag=tag,
        unit=unit,
        before=mean([pair.as_before for pair in pairs.values()], share=share),
        after=mean([pair.as_after for pair in pairs.values()], share=share),
        difference=found.estimate,
        p=found.p,
        finding=_finding(found, _direction(unit)),
        detectable=_detectable([*pairs.values()]),
        turned_bad=sorted((case_id for case_id, gain in gains.items() if gain < 0), key=gains.__getitem__),
        turned_good=sorted((case_id for case_id, gain in gains.items() if gain > 0), key=gains.__getitem__, reverse=True),
    )


def _direction(unit: str) -> int:
    """Say whether more is better: it is of shares, it is not of seconds and dollars, and of words nobody knows."""
    return 1 if not unit else -1 if unit in ("s", "$") else 0


def _finding(found: Difference, direction: int) -> Finding:
    if not found.estimate.n:
        return "not comparable"
    if found.p > LEVEL:
        return "no difference found"
    change = direction * found.estimate.value
    return "changed" if not direction else "better" if change > 0 else "worse"


def _detectable(pairs: Sequence[Pair]) -> float | None:
    least = detectable(pairs, level=LEVEL / 2)
    return None if least == float("inf") else least
