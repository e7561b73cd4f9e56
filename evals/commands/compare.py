"""`compare A B`: what changed from one experiment to another."""

import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from pydantic import TypeAdapter

from evals.comparing import Comparison, compare
from evals.store import read_experiment
from evals.tables import comparison_table


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    parser = commands.add_parser("compare", help="show what changed from one experiment to another, by metric and tag")
    parser.add_argument("before", type=Path, help="the folder of an experiment")
    parser.add_argument("after", type=Path, help="the folder of a later one")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--no-tags", action="store_true", help="leave out the rows by tag")
    parser.set_defaults(command=_compare)


def _compare(chosen: Namespace) -> int:
    found = compare(read_experiment(chosen.before), read_experiment(chosen.after), tags=not chosen.no_tags)
    shown = TypeAdapter(Comparison).dump_json(found, indent=2).decode() if chosen.json else comparison_table(found)
    sys.stdout.write(f"{shown}\n")
    return 0
