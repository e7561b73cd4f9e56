"""`python -m benchmarks`: what a turn costs on the server, beside the floor, with the same clients and the same stub in one run."""

import argparse
import asyncio
import signal
import sys
from dataclasses import replace

from benchmarks import report
from benchmarks.measure import Row, measure
from benchmarks.scenario import SCENARIOS, Scenario
from benchmarks.targets import TARGETS
from tests.stub.client import start_stub


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(SCENARIOS)}; all when none is named")
    parser.add_argument("--target", action="append", choices=TARGETS, help="measure only this; may be repeated")
    parser.add_argument("--users", type=int, help="so many users instead of the scenario's")
    parser.add_argument("--turns", type=int, help="so many turns instead of the scenario's")
    chosen = parser.parse_args()
    if unknown := set(chosen.scenarios) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
    # As Ctrl-C does: leave through the blocks that stop what we have started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for name in chosen.scenarios or SCENARIOS:
        scenario = SCENARIOS[name]
        scenario = replace(scenario, users=chosen.users or scenario.users, turns=chosen.turns or scenario.turns)
        rows = [_measured(target, scenario) for target in chosen.target or TARGETS]
        print(report.write(name, scenario, rows))


def _measured(target: str, scenario: Scenario) -> Row:
    print(f"{target}: {scenario} …", flush=True)
    with start_stub() as provider, TARGETS[target](scenario, provider.url) as running:
        return asyncio.run(measure(running, scenario))


if __name__ == "__main__":
    main()
