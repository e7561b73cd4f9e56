"""Where the run meets the parts that judge, play and report; each is looked for when it is needed."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.llm.models import Model, open_models
from app.settings import Settings
from evals.asking import Player, no_player
from evals.cases import Dataset
from evals.experiment import Calibration, Experiment
from evals.scores import Metric


@asynccontextmanager
async def open_judge(settings: Settings, name: str) -> AsyncGenerator[Model | None]:
    """One of models.yaml, None where no judge is asked for; raise UnknownModel."""
    if not name:
        yield None
        return
    async with open_models(settings.models, settings.model_keys) as models:
        yield models.get(name)


def metrics_of(dataset: Dataset, judge: Model | None, names: Sequence[str]) -> Sequence[Metric]:
    metrics: Sequence[Metric] = _part("evals.metrics").metrics_for(dataset, judge, names) if find_spec("evals.metrics") else ()
    return metrics


def player_of(judge: Model | None) -> Player:
    if judge is not None and find_spec("evals.simulating"):
        player: Player = _part("evals.simulating").player_of(judge)
        return player
    return no_player


def calibrations_of(metrics: Sequence[Metric], judge: str) -> Sequence[Calibration]:  # noqa: ARG001  # the seam for what is kept of them
    return ()


def report(folder: Path, experiment: Experiment, baseline: Experiment | None) -> None:
    if find_spec("evals.reporting"):
        _part("evals.reporting").write_reports(folder, experiment, baseline)


def gate_says(experiment: Experiment, baseline: Experiment | None) -> Sequence[str]:
    """Why the gate is red, a sentence each; none where it is green."""
    reasons: Sequence[str] = _part("evals.gate").judge_gate(experiment, baseline) if find_spec("evals.gate") else ()
    return reasons


def _part(name: str) -> Any:  # noqa: ANN401  # a module
    return import_module(name)
