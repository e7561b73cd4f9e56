"""The values of an experiment by metric and case, as figures, gates and comparisons need them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from evals.cases import Case
from evals.estimates import Estimate
from evals.experiment import Experiment, MetricInfo, Result
from evals.scores import Score
from evals.statistics import Pair, Weighed, mean

# What of a case neither the agent nor a metric's verdict depends on.
_BESIDE: Final = ("tags", "weight", "note", "reviewed")
# A metric of our own beside those of the experiment: the answer came to its end, and all checks and its trajectory hold.
PASSED: Final = MetricInfo(name="passed", kind="check")


@dataclass(frozen=True)
class Figures:
    """Read an experiment once, to be asked often."""

    experiment: Experiment

    @cached_property
    def metrics(self) -> Mapping[str, MetricInfo]:
        """Those that have a value or a failure to show, `passed` first."""
        seen = {score.metric for result in self.experiment.results for score in result.scores}
        listed = {info.name: info for info in self.experiment.metrics}
        ours = {PASSED.name: PASSED} if self._values.get(PASSED.name) else {}
        return ours | {name: listed.get(name, MetricInfo(name=name, kind="check")) for name in [*listed, *sorted(seen - listed.keys())]}

    @cached_property
    def cases(self) -> Mapping[str, Case]:
        return {result.case.id: result.case for result in self.experiment.results}

    @cached_property
    def tags(self) -> Sequence[str]:
        return sorted({tag for case in self.cases.values() for tag in case.tags})

    def values(self, metric: str, tag: str = "") -> Mapping[str, Weighed]:
        """By case: the mean over its attempts that have a value; a case without any is left out."""
        return {
            case_id: Weighed(value=sum(seen) / len(seen), weight=self.cases[case_id].weight)
            for case_id, seen in self._values.get(metric, {}).items()
            if not tag or tag in self.cases[case_id].tags
        }

    def estimate(self, metric: str, tag: str = "") -> Estimate:
        return mean([*self.values(metric, tag).values()], share=self.is_share(metric))

    def is_share(self, metric: str) -> bool:
        return metric not in self.metrics or not self.metrics[metric].unit

    @cached_property
    def _values(self) -> Mapping[str, Mapping[str, Sequence[float]]]:
        kinds = {info.name: info.kind for info in self.experiment.metrics}
        seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for result in self.experiment.results:
            for name, value in _told(result, kinds):
                seen[name][result.case.id].append(value)
        return seen

    @cached_property
    def unreadable(self) -> Mapping[str, int]:
        """How many scores of each metric say why they have no value."""
        seen: dict[str, int] = defaultdict(int)
        for result in self.experiment.results:
            for score in result.scores:
                seen[score.metric] += bool(score.error)
        return seen


def passed(result: Result, kinds: Mapping[str, str]) -> bool | None:
    """None where nothing was checked, or where what could not be read would have decided."""
    if result.answer.error:
        return False
    held = [
        None if score.value is None else score.value >= 1 for score in result.scores if kinds.get(score.metric) in ("check", "trajectory")
    ]
    return False if False in held else None if None in held or not held else True


def lost(result: Result, kinds: Mapping[str, str]) -> Sequence[Score]:
    """The scores below 1 of what has 1 for its best: half a second is no loss."""
    return [score for score in result.scores if score.value is not None and score.value < 1 and kinds.get(score.metric) != "measure"]


def pairs_of(before: Figures, after: Figures, metric: str, tag: str = "") -> Mapping[str, Pair]:
    """Pair the cases that both have, as they are in the later one; a case that says something else by now is another case.

    None of a judge's metric where the judges are not the same: what changed is who judges.
    """
    if _is_judged(after, metric) and before.experiment.judge != after.experiment.judge:
        return {}
    olds, news = before.values(metric), after.values(metric, tag)
    return {
        case_id: Pair(before=olds[case_id].value, after=new.value, weight=new.weight)
        for case_id, new in news.items()
        if case_id in olds and is_same(before.cases[case_id], after.cases[case_id])
    }


def is_same(one: Case, other: Case) -> bool:
    """Whether two cases ask and check the same, whatever their tags, weights and notes, and whoever has read them."""
    return one.model_copy(update={name: getattr(other, name) for name in _BESIDE}) == other


def _is_judged(seen: Figures, metric: str) -> bool:
    return metric in seen.metrics and seen.metrics[metric].kind == "judge"


def _told(result: Result, kinds: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    for score in result.scores:
        if score.value is not None:
            yield score.metric, score.value
    if (held := passed(result, kinds)) is not None:
        yield PASSED.name, float(held)
