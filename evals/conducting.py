"""An experiment from its beginning, or from where it was interrupted, to its reports."""

import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from app.errors import AppError
from app.llm.models import Model
from app.settings import Settings
from evals.answers import Answer
from evals.budget import Budget
from evals.calibrating import kept
from evals.cases import Dataset
from evals.digesting import digest_of
from evals.errors import EvalsError
from evals.experiment import Experiment, MetricInfo, Result
from evals.judging import open_judge
from evals.metrics import metrics_for, warnings_for
from evals.metrics.judges import Judge
from evals.options import Options
from evals.progress import Progress
from evals.running import Run, spent_before
from evals.scores import Metric
from evals.simulating import player_of
from evals.store import Folder, Head
from evals.targets.graph import open_graph
from evals.targets.http import open_http
from evals.targets.talking import Target
from evals.tries import no_player


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`left` is how many tries the budget did not reach."""

    experiment: Experiment
    left: int


def begin(root: Path, name: str, dataset: Dataset, options: Options, given: Sequence[Answer] = ()) -> Folder:
    """A folder of its own, with what the experiment is about; raise EvalsError."""
    now = datetime.now(UTC)
    head = Head(
        id=f"{now:%Y%m%dT%H%M%S}-{dataset.name}-{token_hex(3)}",
        name=name or dataset.name,
        began_at=now,
        dataset=dataset,
        digest=digest_of(dataset),
        options=options,
    )
    return Folder.open_new(root, head, given)


async def conduct(settings: Settings, folder: Folder) -> Outcome:
    """Ask and score all that is left, and keep the whole; raise EvalsError or AppError where that cannot be begun or gone on with."""
    try:
        return await _conduct(settings, folder)
    except ExceptionGroup as group:  # what the tasks of several at once come with
        raise _first(group) from group


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The first in it that says something to who is at the terminal, else the first."""
    known = group.subgroup((EvalsError, AppError))
    first = (known or group).exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


async def _conduct(settings: Settings, folder: Folder) -> Outcome:
    began, options, budget = time.monotonic(), folder.head.options, spent_before(folder)
    async with _target(settings, options) as target, _judge(settings, options.judge) as judge:
        metrics = metrics_for(folder.head.dataset, judge, options.metrics)
        run = Run(folder, target, metrics, player_of(judge) if judge else no_player, budget)
        total = len(folder.head.dataset.cases) * options.repeat
        progress = Progress(sys.stderr, total, total - len(run.left), budget)
        try:
            await run.go(progress)
        finally:
            progress.close()
        about = target.about if target else {"kind": options.target}
    whole = experiment_of(folder, metrics, about, budget)
    tested = sorted({turn.model for result in whole.results for turn in result.answer.turns if turn.model})
    warnings = [
        *whole.warnings,
        *warnings_for(folder.head.dataset, judge, options.metrics, tested),
        *_unfinished(len(run.left), budget),
    ]
    experiment = replace(whole, seconds=time.monotonic() - began, warnings=warnings)
    folder.finish(experiment)
    return Outcome(experiment=experiment, left=len(run.left))


def experiment_of(folder: Folder, metrics: Sequence[Metric], about: Mapping[str, str], budget: Budget) -> Experiment:
    """What the folder holds by now, in the order of its cases."""
    head, options = folder.head, folder.head.options
    keys = [(case, attempt) for case in head.dataset.cases for attempt in range(1, options.repeat + 1)]
    return Experiment(
        id=head.id,
        name=head.name,
        began_at=head.began_at,
        seconds=0,
        dataset=head.dataset.name,
        dataset_version=head.dataset.version,
        digest=head.digest,
        target=about,
        settings=options.told,
        metrics=[MetricInfo(name=metric.name, kind=metric.kind, unit=metric.unit) for metric in metrics],
        results=[
            Result(case=case, answer=answer, scores=folder.scores.get((case.id, attempt), ()))
            for case, attempt in keys
            if (answer := folder.answers.get((case.id, attempt)))
        ],
        judge=options.judge,
        warnings=[*head.warnings, *budget.warnings()],
        calibrations=kept([metric for metric in metrics if isinstance(metric, Judge)]),
        spent_usd=None if budget.unpriced else budget.spent_usd,
    )


def _unfinished(left: int, budget: Budget) -> list[str]:
    return [f"The budget of ${budget.limit_usd:g} is spent: {left} tries were not made."] if left else []


@asynccontextmanager
async def _judge(settings: Settings, name: str) -> AsyncGenerator[Model | None]:
    """None where no judge is asked for."""
    if not name:
        yield None
        return
    async with open_judge(settings, name) as judge:
        yield judge


@asynccontextmanager
async def _target(settings: Settings, options: Options) -> AsyncGenerator[Target | None]:
    match options.target:
        case "graph":
            opening = open_graph(settings, model=options.model, agent=options.agent, keeps_sessions=options.keeps_sessions)
            async with opening as graph:
                yield graph
        case "http":
            async with open_http(options) as server:
                yield server
        case "given":
            yield None
