"""`python -m evals calibrate`: how well judges agree with labels.

The answers and labels that come with Milepost were written by its makers and rated by nobody else.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from app.settings import load_settings
from evals.calibrating import FOLDER, Labelled, calibrate, keep, read_labelled
from evals.commands.choosing import count as bounded
from evals.errors import Misused
from evals.estimates import Estimate
from evals.experiment import Calibration
from evals.judging import open_judge
from evals.metrics import judging_by
from evals.metrics.judges import Judge
from evals.metrics.rubrics import Rubric, read_rubrics

_HEAD: Final = f"{'metric':<24}{'judge':<20}{'n':>4}{'good':>6}  {'sees good':<19}{'sees bad':<19}{'kappa':<22}unreadable"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("calibrate", help="hold judges against labelled cases", description=__doc__)
    parser.add_argument(
        "--metric", action="append", default=[], metavar="NAME", help="a judge's metric, as often as you like (default: all)"
    )
    parser.add_argument("--judge", metavar="MODEL", help="the model that judges, of models.yaml (default: the default model)")
    parser.add_argument("--concurrency", type=bounded(64), default=4, metavar="N", help="cases at the same time (default: 4)")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="labelled cases, METRIC.jsonl, and below them the results (default: ours)"
    )
    parser.set_defaults(command=_calibrate)


def _calibrate(chosen: argparse.Namespace) -> int:
    rubrics = _chosen(chosen.metric)
    labelled = {rubric.name: read_labelled(rubric.name, chosen.folder) for rubric in rubrics}
    asyncio.run(_tell_all(rubrics, labelled, chosen))
    return 0


def _chosen(names: Sequence[str]) -> Sequence[Rubric]:
    rubrics = read_rubrics()
    if unknown := sorted({*names} - {rubric.name for rubric in rubrics}):
        raise Misused(f"There is no judge for {', '.join(unknown)}; there are {', '.join(rubric.name for rubric in rubrics)}.")
    return [rubric for rubric in rubrics if not names or rubric.name in names]


async def _tell_all(rubrics: Sequence[Rubric], labelled: Mapping[str, Sequence[Labelled]], chosen: argparse.Namespace) -> None:
    async with open_judge(load_settings(), chosen.judge) as model:
        judging = judging_by(model)
        print(_HEAD)
        for rubric in rubrics:
            calibration = await _calibrated(Judge(rubric=rubric, judging=judging), labelled[rubric.name], chosen.concurrency)
            keep(calibration, chosen.folder)
            print(row(calibration))


async def _calibrated(judge: Judge, labelled: Sequence[Labelled], concurrency: int) -> Calibration:
    done = count(1)

    def told() -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"{judge.name}: {next(done)} of {len(labelled)}\r")

    return await calibrate(judge, labelled, concurrency=concurrency, told=told)


def row(calibration: Calibration) -> str:
    """A line of the table, below its head."""
    rates = (calibration.true_positive_rate, calibration.true_negative_rate)
    told = "".join(f"{_told(rate):<19}" for rate in rates)
    names = f"{calibration.metric:<24}{calibration.judge[:19]:<20}"
    return f"{names}{calibration.n:>4}{calibration.base_rate:>6.0%}  {told}{_told(calibration.kappa):<22}{calibration.unreadable}"


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
