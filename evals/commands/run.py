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
from evals.commands.choosing import add_options, ask_for_missing, changed, options_of
from evals.commands.gate import GATE
from evals.commands.sourcing import sourced
from evals.conducting import Outcome, begin, conduct
from evals.gate import judge_gate, read_gate
from evals.reporting import write_reports
from evals.store import Folder, read_experiment
from evals.tables import verdict_lines
from evals.telling import tell_langfuse
from evals.verdict import Verdict

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
    # What is wrong with them is said before anything is asked.
    gate, baseline = read_gate(chosen.gate or GATE), read_experiment(chosen.baseline) if chosen.baseline else None
    with _folder(settings, chosen) as folder:
        try:
            outcome = asyncio.run(conduct(settings, folder))
        except KeyboardInterrupt:
            sys.stderr.write(f"{_interrupted(folder)}\n")
            return _INTERRUPTED
        verdict = judge_gate(gate, outcome.experiment, baseline)
        write_reports(folder.path, outcome.experiment, baseline, verdict)
        told = asyncio.run(tell_langfuse(outcome.experiment, settings.tracing))
        return _told(folder, outcome, verdict, told)


def _folder(settings: Settings, chosen: Namespace) -> Folder:
    if chosen.resume:
        folder = Folder.resume(chosen.resume)
        folder.head = replace(folder.head, options=changed(folder.head.options, chosen))
        return folder
    if chosen.ask:
        ask_for_missing(chosen)
    options = options_of(chosen)
    dataset, given = sourced(settings, chosen)
    return begin(chosen.results, chosen.name, dataset, options, given if options.target == "given" else ())


def _told(folder: Folder, outcome: Outcome, verdict: Verdict, told: str) -> int:
    for sentence in (*outcome.experiment.warnings, verdict_lines(verdict), told):
        if sentence:
            print(sentence)
    print(f"Kept in {folder.path}: look at {folder.path / 'report.html'}.")
    if outcome.left:
        print(f"{_how_to_go_on(folder)} --budget DOLLARS")
    return _RED if outcome.left or not verdict.passed else 0


def _interrupted(folder: Folder) -> str:
    return f"Interrupted; what has come is kept. {_how_to_go_on(folder)}" if folder.answers else "Interrupted; nothing had come."


def _how_to_go_on(folder: Folder) -> str:
    return f"Go on with: python -m evals run --resume {shlex.quote(str(folder.path))}"
