"""The metrics: checks, a look at the tools, measures, and judges."""

from collections.abc import Sequence

from app.llm.models import Model
from evals.cases import Dataset
from evals.errors import Misused
from evals.metrics.checks import CHECKS
from evals.metrics.measures import MEASURES
from evals.metrics.trajectory import TRAJECTORY
from evals.scores import Metric


def metrics_for(dataset: Dataset, judge: Model | None = None, names: Sequence[str] = ()) -> Sequence[Metric]:
    """Those of the names, or all, that apply to a case of the dataset; without a judge all but the judges.

    Raise Misused for a name that is none, and for a judge's where there is none.
    """
    known = {metric.name: metric for metric in _all(judge)}
    if unknown := [name for name in names if name not in known]:
        raise Misused(f"There is no metric {', '.join(unknown)}; there are {', '.join(known)}.")
    wanted = [metric for name, metric in known.items() if not names or name in names]
    return [metric for metric in wanted if any(metric.applies_to(case) for case in dataset.cases)]


def _all(judge: Model | None) -> Sequence[Metric]:  # noqa: ARG001
    return [*CHECKS, *TRAJECTORY, *MEASURES]
