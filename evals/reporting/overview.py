"""The figures at the head of the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from evals.comparing import Row
from evals.estimates import Estimate
from evals.experiment import Calibration, Experiment, MetricInfo
from evals.figures import Figures
from evals.reporting.calibrations import calibration_of, calibration_said
from evals.reporting.judged import Judged
from evals.statistics import percentile

_BINS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A metric for all cases or a tag. `scale` is what a full bar stands for; `row` is the comparison's, if there is one."""

    info: MetricInfo
    tag: str
    shown: Estimate
    scale: float
    unreadable: int
    trust: str
    row: Row | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A measure's distribution over cases; `bins` are shares of the fullest one."""

    info: MetricInfo
    median: Estimate
    p95: Estimate
    bins: Sequence[float]
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    lines: Sequence[Line]
    by_tag: Sequence[Line]
    spreads: Sequence[Spread]
    calibrations: Mapping[str, Calibration | None]
    tags: Sequence[str]
    cases: int


def overview_of(experiment: Experiment, judged: Judged) -> Overview:
    seen = Figures(experiment)
    rows = {(row.metric, row.tag): row for row in judged.comparison.rows} if judged.comparison else {}
    infos = [*seen.metrics.values()]
    return Overview(
        lines=[_line(seen, info, "", rows) for info in infos],
        by_tag=[_line(seen, info, tag, rows) for info in infos for tag in seen.tags if seen.values(info.name, tag)],
        spreads=[_spread(seen, info) for info in infos if info.unit and seen.values(info.name)],
        calibrations={info.name: calibration_of(experiment, info.name) for info in infos if info.kind == "judge"},
        tags=seen.tags,
        cases=len(seen.cases),
    )


def _line(seen: Figures, info: MetricInfo, tag: str, rows: Mapping[tuple[str, str], Row]) -> Line:
    shown, row = seen.estimate(info.name, tag), rows.get((info.name, tag))
    return Line(
        info=info,
        tag=tag,
        shown=shown,
        scale=_scale(shown, row) if info.unit else 1,
        unreadable=0 if tag else seen.unreadable.get(info.name, 0),
        trust=calibration_said(seen.experiment, info) if info.kind == "judge" else "",
        row=row if row and row.difference.n else None,
    )


def _scale(shown: Estimate, row: Row | None) -> float:
    return 1.1 * max(shown.high, row.before.high if row else 0) or 1


def _spread(seen: Figures, info: MetricInfo) -> Spread:
    cases = [*seen.values(info.name).values()]
    counts, edges = np.histogram([case.value for case in cases], bins=_BINS)
    return Spread(
        info=info,
        median=percentile(cases, 0.5),
        p95=percentile(cases, 0.95),
        bins=[float(count / counts.max()) for count in counts],
        least=float(edges[0]),
        most=float(edges[-1]),
    )
