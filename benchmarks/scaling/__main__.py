"""`python -m benchmarks.scaling`: throughput at one, two and three servers behind a proxy, and what a million users would take.

Servers, proxy, Postgres, stub provider and clients share the cores of one machine.
"""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import psutil

from benchmarks.provider import start_provider
from benchmarks.report import RESULTS, circumstances, write_into
from benchmarks.scaling.figures import Measured
from benchmarks.scaling.measuring import measure
from benchmarks.scaling.parts import start_parts
from benchmarks.scaling.report import measured_tables, sizing_table
from benchmarks.scaling.sizing import Assumptions
from benchmarks.scenario import Scenario

_DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "scaling.md"
_FULL_SPEED: Final = Scenario(title="As fast as it goes", users=50, stages=(8,), tokens=100, seconds=180)
# The answers of the sizing: 300 tokens in six seconds.
_PACED: Final = Scenario(title="At a model's pace", users=60, stages=(4,), tokens=300, tokens_per_second=50, spread=True, seconds=180)
_PLACES: Final = ((1, False), (2, False), (3, False), (3, True))


def main() -> None:
    chosen = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sized = [
        replace(scenario, users=chosen.users or scenario.users, stages=(chosen.turns or scenario.turns,))
        for scenario in (_FULL_SPEED, _PACED)
    ]
    rows = [*_rows(sized)]
    now = datetime.now(UTC)
    assumed = Assumptions(answer_seconds=_PACED.tokens / _PACED.tokens_per_second)
    unpooled = [row for row in rows if row.scenario == str(sized[-1]) and not row.is_pooled]
    sizing = sizing_table(unpooled[-1], assumed)
    tables = f"{measured_tables(rows, psutil.cpu_count() or 1)}\n\n{circumstances(now)}\n"
    print(f"\n{tables}\n{sizing}")
    facts = {"measured_at": now, "rows": rows, "assumed": assumed}
    RESULTS.joinpath(f"scaling-{now:%Y%m%dT%H%M%SZ}.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    if chosen.write_docs:
        write_into(_DOCUMENT, "scaling", tables)
        write_into(_DOCUMENT, "sizing", f"{sizing}\n")


def _rows(scenarios: Sequence[Scenario]) -> Iterator[Measured]:
    for servers, is_pooled in _PLACES:
        for scenario in scenarios:  # each has a model of its own, which the servers know from their start
            print(f"{servers} servers{', through pgbouncer' if is_pooled else ''}: {scenario} …", flush=True)
            with start_provider() as provider, start_parts(scenario, provider, servers, is_pooled=is_pooled) as parts:
                yield measure(parts, scenario)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--users", type=int, help="so many users instead of 50 and 60")
    parser.add_argument("--turns", type=int, help="so many turns instead of 8 and 4")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/scaling.md")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
