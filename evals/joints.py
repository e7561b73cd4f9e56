"""Where the run meets the parts that judge, play and report; each is looked for when it is needed."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from app.llm.models import Model, open_models
from app.settings import ROOT, Settings
from evals.answers import Turn
from evals.cases import Dataset, Persona
from evals.experiment import Calibration, Experiment
from evals.scores import Metric
from evals.targets.talking import NotAnswered
from evals.tries import Player, no_player

GATE: Final = Path(ROOT, "evals", "gate.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Whether the gate is green, and what it says of each rule."""

    passed: bool
    words: str


@asynccontextmanager
async def open_judge(settings: Settings, name: str) -> AsyncGenerator[Model | None]:
    """One of models.yaml, None where no judge is asked for; raise UnknownModel."""
    if not name:
        yield None
        return
    async with open_models(settings.models, settings.model_keys) as models:
        yield models.get(name)


def metrics_of(dataset: Dataset, judge: Model | None, names: Sequence[str]) -> Sequence[Metric]:
    metrics: Sequence[Metric] = _part("metrics").metrics_for(dataset, judge, names) if _is_there("metrics") else ()
    return metrics


def warnings_of(dataset: Dataset, judge: Model | None, names: Sequence[str], tested: Sequence[str]) -> Sequence[str]:
    """What a reader of the scores should know of their judge."""
    warnings: Sequence[str] = _part("metrics").warnings_for(dataset, judge, names, tested) if _is_there("metrics") else ()
    return warnings


def calibrations_of(metrics: Sequence[Metric]) -> Sequence[Calibration]:
    judges = [metric for metric in metrics if metric.kind == "judge"]
    calibrations: Sequence[Calibration] = _part("calibrating").kept(judges) if judges and _is_there("calibrating") else ()
    return calibrations


def player_of(judge: Model | None) -> Player:
    """The judge's model plays the personas too."""
    if judge is None or not _is_there("simulating"):
        return no_player

    async def play(persona: Persona, ask: Callable[[str], Awaitable[Turn]]) -> None:
        talk = await _part("simulating").talk(persona, judge, ask)
        if talk.error:
            raise NotAnswered(talk.error, "The model that plays the persona failed.")

    return play


def judged(folder: Path, experiment: Experiment, baseline: Experiment | None, gate: Path | None) -> Judged:
    """Hold it against the gate, and write the reports."""
    if not _is_there("gate"):
        return Judged(passed=True, words="")
    verdict = _part("gate").judge_gate(_part("gate").read_gate(gate or GATE), experiment, baseline)
    _part("reporting").write_reports(folder, experiment, baseline, verdict)
    return Judged(passed=verdict.passed, words=_part("tables").verdict_lines(verdict))


def _is_there(name: str) -> bool:
    return find_spec(f"evals.{name}") is not None


def _part(name: str) -> Any:  # noqa: ANN401  # a module
    return import_module(f"evals.{name}")
