"""Write what was measured: JSON for machines, a table for people, and how each row came to be."""

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from benchmarks.measure import Percentiles, Row
from benchmarks.scenario import Scenario

_RESULTS: Final = Path(__file__).parent / "results"
_HEADINGS: Final = (
    "target",
    "success",
    "CPU ms/turn",
    "Postgres CPU ms/turn",
    "first token ms p50 / p95 / p99",
    "turn ms p50 / p95 / p99",
    "turns/s",
    "token frames/turn",
    "RSS MB",
)
_METHOD: Final = """\
- A turn succeeds when its text is the expected one to the letter and its stream ended as completed, once.
- CPU: user and system time of the target's process tree (Postgres apart), from before the first turn until it is quiet after the last;
  every user has had one turn and a connection before.
- First token and turn: from sending the request, seen by the client, over HTTP and SSE on loopback. Users never pause: these are the times
  of a saturated machine.
- RSS: of the target's process tree after the last turn, Postgres apart.
"""


def write(name: str, scenario: Scenario, rows: Sequence[Row]) -> str:
    """Leave both files in benchmarks/results and return the table."""
    now = datetime.now(UTC)
    stem = _RESULTS / f"{name}-{now:%Y%m%dT%H%M%SZ}"
    table = _markdown(scenario, rows, now)
    facts = {"name": name, "measured_at": now, "machine": _machine(), "scenario": scenario, "rows": rows}
    stem.with_suffix(".json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    stem.with_suffix(".md").write_text(table, encoding="utf-8")
    return table


def _markdown(scenario: Scenario, rows: Sequence[Row], now: datetime) -> str:
    lines = [f"# {scenario}", "", f"{now:%Y-%m-%d %H:%M} UTC, {_machine()}. Clients, stub and target share these cores.", ""]
    lines += [_line(_HEADINGS), _line(["---"] * len(_HEADINGS)), *(_line([*_cells(row)]) for row in rows), ""]
    lines += [f"- **{row.target}**: {row.how}." for row in rows]
    lines += [f"- **{row.target} failed**: {failure}, {count} times." for row in rows for failure, count in row.failures.items()]
    lines += [_METHOD]
    return "\n".join(lines)


def _cells(row: Row) -> Iterator[str]:
    yield row.target
    yield f"{row.success_rate:.1%} of {row.turns}"
    yield f"{row.cpu_ms_per_turn:.2f}"
    yield "-" if row.postgres_cpu_ms_per_turn is None else f"{row.postgres_cpu_ms_per_turn:.2f}"
    yield _three(row.first_token_ms)
    yield _three(row.turn_ms)
    yield f"{row.turns_per_second:.0f}"
    yield f"{row.token_frames_per_turn:.0f}"
    yield f"{row.rss_mb:.0f}"


def _three(values: Percentiles) -> str:
    return f"{values.p50:.0f} / {values.p95:.0f} / {values.p99:.0f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
