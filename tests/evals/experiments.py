"""Experiments as the suite keeps them, without asking anybody."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from evals.answers import Answer, Turn
from evals.cases import Case
from evals.experiment import Experiment, MetricInfo, Result
from evals.scores import Score

METRICS = (
    MetricInfo(name="contains", kind="check"),
    MetricInfo(name="helpfulness", kind="judge"),
    MetricInfo(name="seconds", kind="measure", unit="s"),
)


def result(case: Case | str, values: Mapping[str, float | None], *, attempt: int = 1, error: str = "", text: str = "Yes.") -> Result:
    """A value of None is a judge that could not be read."""
    asked = case if isinstance(case, Case) else Case(id=case, input=f"Is {case} so?")
    turns = [Turn(said=said, text=text, seconds=values.get("seconds") or 0) for said in asked.says]
    scores = [Score(metric=name, value=value, error="" if value is not None else "judge_unreadable") for name, value in values.items()]
    return Result(case=asked, answer=Answer(case_id=asked.id, attempt=attempt, turns=turns, error=error), scores=scores)


def experiment(results: Sequence[Result], name: str = "tried", **more: Any) -> Experiment:
    told: dict[str, Any] = {
        "id": f"{name}-1",
        "name": name,
        "began_at": datetime(2026, 11, 22, 7, tzinfo=UTC),
        "seconds": 12.5,
        "dataset": "smoke",
        "dataset_version": 1,
        "digest": "0" * 12,
        "target": {"kind": "graph", "model": "demo"},
        "settings": {"repeat": 1},
        "metrics": METRICS,
    }
    return Experiment(**told | more, results=results)


def passing(count: int, of: int, name: str = "tried", tag: str = "") -> Experiment:
    """The last of them fail."""
    tags = frozenset({tag} if tag else ())
    cases = [Case(id=f"case-{number}", input="?", tags=tags) for number in range(of)]
    return experiment([result(case, {"contains": float(number < count)}) for number, case in enumerate(cases)], name)
