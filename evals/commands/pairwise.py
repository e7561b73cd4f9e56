"""`python -m evals pairwise A B`: which of two experiments' answers a judge prefers."""

import argparse
import asyncio
import json
from pathlib import Path

from pydantic import TypeAdapter

from app.settings import load_settings
from evals.commands.choosing import count
from evals.estimates import Estimate
from evals.experiment import Experiment
from evals.judging import open_judge
from evals.metrics import judging_by
from evals.pairwise import Comparison, compare_pairs
from evals.store import read_experiment


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("pairwise", help="let a judge compare two experiments' answers", description=__doc__)
    parser.add_argument("one", type=Path, metavar="A", help="an experiment's folder")
    parser.add_argument("other", type=Path, metavar="B", help="the folder of the one it is compared with")
    parser.add_argument("--judge", metavar="MODEL", help="the model that judges, of models.yaml (default: the default model)")
    parser.add_argument("--concurrency", type=count(64), default=4, metavar="N", help="pairs at the same time (default: 4)")
    parser.add_argument("--json", action="store_true", help="say all of it as JSON")
    parser.set_defaults(command=_pairwise)


def _pairwise(chosen: argparse.Namespace) -> int:
    comparison = asyncio.run(_compared(read_experiment(chosen.one), read_experiment(chosen.other), chosen.judge, chosen.concurrency))
    print(json.dumps(TypeAdapter(Comparison).dump_python(comparison, mode="json"), indent=2) if chosen.json else told(comparison))
    return 0


async def _compared(one: Experiment, other: Experiment, judge: str | None, concurrency: int) -> Comparison:
    async with open_judge(load_settings(), judge) as model:
        return await compare_pairs(one, other, judging_by(model), concurrency=concurrency)


def told(comparison: Comparison) -> str:
    """Lines for a terminal, each figure with its n and interval."""
    lines = [
        f"{comparison.other} (B) against {comparison.one} (A), judged by {comparison.judge}",
        f"pairs, each judged in both orders        {len(comparison.preferences)}",
        f"B is better, of those that are decided   {_figure(comparison.wins_of_other)}",
        f"ties                                     {comparison.ties}",
        f"both orders say the same                 {_figure(comparison.consistent)}",
        f"the first place is chosen (0.5 is fair)  {_figure(comparison.first_place)}",
        f"without a verdict                        {comparison.unreadable}",
    ]
    if comparison.first_place.n and not comparison.first_place.low <= 0.5 <= comparison.first_place.high:  # noqa: PLR2004  # fair
        lines.append("The order sways this judge: what it decides in one order only counts as a tie.")
    return "\n".join(lines)


def _figure(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}], n = {estimate.n}"
