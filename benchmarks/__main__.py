"""`python -m benchmarks`: what a turn costs on the server, beside the floors, with the same questions and the same stub in one run."""

import argparse
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.measure import measure
from benchmarks.provider import start_provider
from benchmarks.rows import Row, failed_row, with_added_first_token
from benchmarks.scenario import SCENARIOS, Scenario
from benchmarks.targets import TARGETS

_DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "performance.md"


def main() -> None:
    chosen = _arguments()
    # As Ctrl-C does: leave through the blocks that stop what we have started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for name in chosen.scenarios or [name for name, scenario in SCENARIOS.items() if scenario.in_default_set]:
        scenario = _sized(SCENARIOS[name], chosen.users, chosen.turns)
        rows = with_added_first_token([_measured(target, scenario) for target in chosen.target or scenario.targets])
        text = report.write(name, scenario, rows)
        print(f"\n{text}", flush=True)
        if chosen.write_docs:
            report.write_into(_DOCUMENT, name, text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(SCENARIOS)}; none is all but the long ones")
    parser.add_argument("--target", action="append", choices=TARGETS, help="measure only this; may be repeated")
    parser.add_argument("--users", type=int, help="so many users instead of the scenario's")
    parser.add_argument("--turns", type=int, help="so many turns, in one stage, instead of the scenario's")
    parser.add_argument("--write-docs", action="store_true", help=f"put the tables into {_DOCUMENT.parent.name}/{_DOCUMENT.name}")
    chosen = parser.parse_args()
    if unknown := set(chosen.scenarios) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
    return chosen


def _sized(scenario: Scenario, users: int | None, turns: int | None) -> Scenario:
    return replace(
        scenario,
        users=users or scenario.users,
        stages=(turns,) if turns else scenario.stages,
        compare=() if turns else scenario.compare,
    )


def _measured(target: str, scenario: Scenario) -> Row:
    print(f"{target}: {scenario} …", end="", flush=True)
    began = time.monotonic()
    try:
        with start_provider() as provider, TARGETS[target](scenario, provider) as running:
            return measure(running, scenario, provider)
    except Exception as problem:  # noqa: BLE001  # one target that fails is a row that says so; the others are measured all the same
        print(f" {problem}", end="", file=sys.stderr)
        return failed_row(target, scenario, f"it could not be measured ({type(problem).__name__})")
    finally:
        print(f" {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
