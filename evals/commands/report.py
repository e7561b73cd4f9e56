"""`report EXPERIMENT`: write the reports of an experiment that is kept anew."""

import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from evals.commands.gate import GATE
from evals.gate import judge_gate, read_gate
from evals.reporting import write_reports
from evals.store import read_experiment


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    parser = commands.add_parser("report", help="write the reports of an experiment anew, compared with another if one is given")
    parser.add_argument("experiment", type=Path, help="the folder of an experiment; its reports are written there")
    parser.add_argument("--baseline", type=Path, help="the folder of an experiment to compare with")
    parser.add_argument("--gate", type=Path, default=GATE, help="the rules (default: evals/gate.yaml)")
    parser.set_defaults(command=_report)


def _report(chosen: Namespace) -> int:
    experiment = read_experiment(chosen.experiment)
    baseline = read_experiment(chosen.baseline) if chosen.baseline else None
    folder = chosen.experiment if chosen.experiment.is_dir() else chosen.experiment.parent
    write_reports(folder, experiment, baseline, judge_gate(read_gate(chosen.gate), experiment, baseline))
    sys.stdout.write(f"{folder / 'report.html'}\n")
    return 0
