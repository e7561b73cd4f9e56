"""`run`: try the agent on a dataset, judge its answers, write reports, and hold them against the gate."""

import argparse
import asyncio
import shlex
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import Final

from app.observability.logging import set_up_logging
from app.settings import Settings, load_settings
from evals import joints
from evals.choosing import chosen_cases
from evals.commands.choosing import SMOKE, add_options, ask_for_missing, changed, options_of
from evals.commands.wanting import wanted_of
from evals.conducting import Outcome, begin, conduct
from evals.experiment import Experiment
from evals.sources.database import dataset_of, recent_runs
from evals.sources.files import load_dataset
from evals.store import Folder, read_experiment

_RED: Final = 1
# As a shell has it for what Ctrl-C ends.
_INTERRUPTED: Final = 130


def add(commands: "argparse._SubParsersAction[ArgumentParser]") -> None:
    words = "try the agent on a dataset, judge its answers and write reports"
    parser = commands.add_parser("run", help=words, description=f"{words.capitalize()}. Exit code 0 is a green gate.")
    add_options(parser)
    parser.set_defaults(command=run)


def run(chosen: Namespace) -> int:
    """0, or 1 for a red gate or a budget that did not last."""
    settings = load_settings()
    # What goes wrong with an answer is told with it, and its warnings would tear the line that shows how far we are.
    set_up_logging(settings.logs.model_copy(update={"level": "error"}), sys.stderr)
    baseline = read_experiment(chosen.baseline) if chosen.baseline else None
    with _folder(settings, chosen) as folder:
        try:
            outcome = asyncio.run(conduct(settings, folder))
        except KeyboardInterrupt:
            sys.stderr.write(f"Interrupted; what has come is kept. {_how_to_go_on(folder)}\n")
            return _INTERRUPTED
        return _told(folder, outcome, baseline)


def _folder(settings: Settings, chosen: Namespace) -> Folder:
    if chosen.resume:
        folder = Folder.resume(chosen.resume)
        folder.head = replace(folder.head, options=changed(folder.head.options, chosen))
        return folder
    if chosen.ask:
        ask_for_missing(chosen)
    options = options_of(chosen)
    if chosen.recent:
        sampled = asyncio.run(recent_runs(settings, wanted_of(chosen.where), limit=chosen.recent, seed=chosen.seed))
        given = [answer for _, answer in sampled] if options.target == "given" else []
        return begin(chosen.results, chosen.name, dataset_of([case for case, _ in sampled]), options, given)
    dataset = chosen_cases(load_dataset(chosen.dataset or SMOKE), chosen.tag, chosen.limit, unreviewed=chosen.unreviewed)
    return begin(chosen.results, chosen.name, dataset, options)


def _told(folder: Folder, outcome: Outcome, baseline: Experiment | None) -> int:
    experiment = outcome.experiment
    joints.report(folder.path, experiment, baseline)
    reasons = joints.gate_says(experiment, baseline)
    for sentence in (*experiment.warnings, *reasons):
        print(sentence)
    print(f"Kept in {folder.path}.")
    if outcome.left:
        print(f"{_how_to_go_on(folder)} --budget DOLLARS")
    return _RED if reasons or outcome.left else 0


def _how_to_go_on(folder: Folder) -> str:
    return f"Go on with: python -m evals run --resume {shlex.quote(str(folder.path))}"
