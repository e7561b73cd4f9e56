"""Say what was measured: JSON for machines, tables for people, and how each row came to be."""

import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import orjson
import psutil

from benchmarks.rows import Row
from benchmarks.scenario import Scenario
from benchmarks.tables import row_table, window_table

RESULTS: Final = Path(__file__).parent / "results"
_CPU_FACTS: Final = Path("/proc/cpuinfo")
_PACKAGES: Final = (
    "fastapi",
    "uvicorn",
    "langgraph",
    "langgraph-checkpoint-postgres",
    "langchain-core",
    "langchain-openai",
    "openai",
    "aiohttp",
)


def write(name: str, scenario: Scenario, rows: Sequence[Row]) -> str:
    """Leave both files in benchmarks/results and return the tables."""
    now = datetime.now(UTC)
    stem = RESULTS / f"{name}-{now:%Y%m%dT%H%M%SZ}"
    text = "\n\n".join([*_blocks(name, scenario, rows), circumstances(now)]) + "\n"
    versions = {package: version(package) for package in _PACKAGES}
    facts = {"name": name, "measured_at": now, "machine": _machine(), "versions": versions, "scenario": scenario, "rows": rows}
    stem.with_suffix(".json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    stem.with_suffix(".md").write_text(f"# {scenario.title}\n\n{text}", encoding="utf-8")
    return text


def write_into(document: Path, name: str, text: str) -> None:
    """Put a scenario's tables between its two marks; ValueError when the document lacks one."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = document.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{document.name} has no marks for {name}")
    document.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")


def _blocks(name: str, scenario: Scenario, rows: Sequence[Row]) -> Iterator[str]:
    yield f"{scenario}. Repeat it: `python -m benchmarks {name}`."
    yield row_table(rows)
    if failed := [
        f"- **{row.target}**: {count} of {row.turns} turns failed: {why}." for row in rows for why, count in row.failures.items()
    ]:
        yield "\n".join(failed)
    for row in rows:
        if row.windows:
            yield f"{row.target}, turn after turn:"
            yield window_table(row.windows)
            yield "\n".join(_compared(row, scenario))


def _compared(row: Row, scenario: Scenario) -> Iterator[str]:
    for early, late in scenario.compare:
        if late >= len(row.windows):
            yield f"- Turns {_turns(scenario, late)} were not reached."
            continue
        before, after = row.windows[early], row.windows[late]
        cpu = [window.cpu_ms_per_turn + (window.postgres_cpu_ms_per_turn or 0) for window in (before, after)]
        said = [f"CPU with Postgres' {cpu[1] / cpu[0]:.2f} times", f"RSS {after.rss_mb / before.rss_mb:.2f} times"]
        if before.kept_kb_per_turn and after.kept_kb_per_turn is not None:
            said.append(f"bytes kept {after.kept_kb_per_turn / before.kept_kb_per_turn:.2f} times")
        if before.written_kb_per_turn and after.written_kb_per_turn is not None:
            said.append(f"bytes written {after.written_kb_per_turn / before.written_kb_per_turn:.2f} times")
        yield f"- Turns {after.first_turn} to {after.last_turn} beside {before.first_turn} to {before.last_turn}: {', '.join(said)}."


def _turns(scenario: Scenario, stage: int) -> str:
    before = sum(scenario.stages[:stage])
    return f"{before + 1} to {before + scenario.stages[stage]}"


def circumstances(now: datetime) -> str:
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return f"Measured {now:%Y-%m-%d %H:%M} UTC on {_machine()}; {versions}. Target, clients, stub and Postgres share these cores."


def _machine() -> str:
    cores = psutil.cpu_count()
    gigabytes = psutil.virtual_memory().total / 2**30
    return f"{cores} cores ({_cpu_model()}), {gigabytes:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _cpu_model() -> str:
    lines = _CPU_FACTS.read_text().splitlines() if _CPU_FACTS.exists() else []
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
