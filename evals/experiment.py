"""A whole run of the suite, as it is kept in a folder and read again by reports, comparisons and gates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from evals.answers import Answer
from evals.cases import Case
from evals.estimates import Estimate
from evals.scores import Kind, Score

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    name: str
    kind: Kind
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a judge did on labelled cases; rates and κ with their 95 % intervals.

    `digest` is of the prompt: it says nothing of a judge whose prompt is another by now.
    """

    judge: str
    metric: str
    n: int
    base_rate: float
    true_positive_rate: Estimate
    true_negative_rate: Estimate
    kappa: Estimate
    unreadable: int
    at: datetime
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    case: Case
    answer: Answer
    scores: Sequence[Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """`digest` is of the cases as they were; `target` and `settings` are plain values that a reader wants to see."""

    id: str
    name: str
    began_at: datetime
    seconds: float
    dataset: str
    dataset_version: int
    digest: str
    target: Mapping[str, str]
    settings: Mapping[str, str | int | float]
    metrics: Sequence[MetricInfo]
    results: Sequence[Result]
    judge: str = ""
    warnings: Sequence[str] = ()
    calibrations: Sequence[Calibration] = ()
    format: int = FORMAT
    spent_usd: float | None = None
