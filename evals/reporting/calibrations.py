"""How far a judge is to be trusted, in a sentence."""

from evals import wording
from evals.experiment import Calibration, Experiment, MetricInfo


def calibration_of(experiment: Experiment, metric: str) -> Calibration | None:
    return next((one for one in experiment.calibrations if one.metric == metric), None)


def calibration_said(experiment: Experiment, info: MetricInfo) -> str:
    """Say of a judge how it did on labelled cases, or that nobody knows."""
    if not (known := calibration_of(experiment, info.name)):
        return "not calibrated"
    kappa, good, bad = known.kappa, *map(wording.estimate, (known.true_positive_rate, known.true_negative_rate))
    unreadable = f", {known.unreadable} of {known.n} without a verdict" if known.unreadable else ""
    agreed = f"κ {kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f}, n = {kappa.n})"
    return f"{agreed}, finds {good} of good and {bad} of bad answers{unreadable}"
