"""The metrics: checks, a look at the tools, measures, and judges."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from app.llm.models import Model
from evals.asking import Judging
from evals.cases import Dataset
from evals.errors import Misused
from evals.metrics.checks import CHECKS
from evals.metrics.judges import Judge
from evals.metrics.measures import MEASURES
from evals.metrics.rubrics import Rubric, read_rubrics
from evals.metrics.trajectory import TRAJECTORY
from evals.scores import Metric

_PLAIN: Final[Sequence[Metric]] = [*CHECKS, *TRAJECTORY, *MEASURES]


def metrics_for(dataset: Dataset, judge: Model | None = None, names: Collection[str] = ()) -> Sequence[Metric]:
    """Those of the names, or all, that apply to a case of the dataset; without a judge all but the judges.

    Raise Misused for a name that is none, for a judge's where there is none, and for a judge that is the demo model.
    """
    judging = judging_by(judge) if judge else None
    judges = [Judge(rubric=rubric, judging=judging) for rubric in read_rubrics()] if judging else []
    known: dict[str, Metric] = {metric.name: metric for metric in [*_PLAIN, *judges]}
    _check(names, known)
    wanted = [metric for name, metric in known.items() if not names or name in names]
    return [metric for metric in wanted if any(metric.applies_to(case) for case in dataset.cases)]


def warnings_for(dataset: Dataset, judge: Model | None, names: Collection[str], tested: Collection[str]) -> Sequence[str]:
    """What a reader of the scores should know of their judge; `tested` are the models that gave the answers."""
    rubrics = [one for one in read_rubrics() if (not names or one.name in names) and any(map(one.applies_to, dataset.cases))]
    return [*_warnings(rubrics, judge, tested)]


def _warnings(rubrics: Sequence[Rubric], judge: Model | None, tested: Collection[str]) -> Iterator[str]:
    if rubrics and judge is None:
        yield f"There is no judge, so nobody judged {', '.join(rubric.name for rubric in rubrics)}: name one with --judge."
    if rubrics and judge and judge.spec.name in tested:
        yield f"The judge {judge.spec.name} is the model under test: models favour their own answers."


def judging_by(judge: Model) -> Judging:
    """Raise Misused for the demo model."""
    if judge.spec.provider == "demo":
        raise Misused("The demo model cannot judge: it is a few fixed rules. Name another with --judge.")
    return Judging(model=judge)


def _check(names: Collection[str], known: Collection[str]) -> None:
    unknown = [name for name in names if name not in known]
    judges = {rubric.name for rubric in read_rubrics()} if unknown else set()
    if unjudged := [name for name in unknown if name in judges]:
        raise Misused(f"{', '.join(unjudged)}: a judge is needed; name one with --judge.")
    if unknown:
        raise Misused(f"There is no metric {', '.join(unknown)}; there are {', '.join(sorted({*known, *judges}))}.")
