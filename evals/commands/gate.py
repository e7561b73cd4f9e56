"""`gate EXPERIMENT`: hold an experiment that is kept against a gate; exit code 1 is red."""

import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from evals.gate import judge_gate, read_gate
from evals.store import read_experiment
from evals.tables import verdict_lines
from evals.verdict import Verdict

GATE: Final = Path(__file__).parents[1] / "gate.yaml"


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    parser = commands.add_parser("gate", help="hold an experiment against a gate; exit code 1 is red")
    parser.add_argument("experiment", type=Path, help="the folder of an experiment")
    parser.add_argument("--baseline", type=Path, help="the folder of an experiment that this one must not be worse than")
    parser.add_argument("--gate", type=Path, default=GATE, help="the rules (default: evals/gate.yaml)")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.set_defaults(command=_judge)


def _judge(chosen: Namespace) -> int:
    gate = read_gate(chosen.gate)
    verdict = judge_gate(gate, read_experiment(chosen.experiment), read_experiment(chosen.baseline) if chosen.baseline else None)
    shown = TypeAdapter(Verdict).dump_json(verdict, indent=2).decode() if chosen.json else verdict_lines(verdict)
    sys.stdout.write(f"{shown}\n")
    return 0 if verdict.passed else 1
