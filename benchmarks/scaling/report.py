"""What was measured and what follows from it, as tables."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial

from benchmarks.scaling.figures import OURS, POSTGRES, PROXY, SERVERS, Measured, full_first
from benchmarks.scaling.sizing import Assumptions, Size, size_for

_USERS = (10_000, 100_000, 1_000_000)

# What is said of a row under each head.
type _Columns = Mapping[str, Callable[[Measured], str]]


def measured_tables(rows: Sequence[Measured], cores: int) -> str:
    """One table for each scenario: throughput with what was full, then CPU, connections and writes for each."""
    return "\n\n".join(
        table
        for name in dict.fromkeys(row.scenario for row in rows)
        for table in _tables([row for row in rows if row.scenario == name], cores)
    )


def _tables(rows: Sequence[Measured], cores: int) -> Iterator[str]:
    yield f"**{rows[0].scenario}**"
    for columns in (_throughput(cores), _processors(rows[-1].cpu_seconds), _database()):
        yield _table(["servers", *columns], [[_name(row), *(said(row) for said in columns.values())] for row in rows])


def _throughput(cores: int) -> _Columns:
    return {
        "turns/s": lambda row: f"{row.turns_per_second:.1f}",
        "streams at once": lambda row: str(row.streams_at_once),
        "failed": lambda row: str(row.failed),
        "first token ms p50": lambda row: f"{row.first_token_ms.p50:.0f}",
        "p99": lambda row: f"{row.first_token_ms.p99:.0f}",
        "full first": lambda row: full_first(row, cores),
    }


def _processors(parts: Collection[str]) -> _Columns:
    """What a turn takes of each of an operator's parts, and how busy all were; a part that a row has not is left empty."""

    def a_turn(part: str, row: Measured) -> str:
        return f"{row.cpu_ms_per_turn(part):.2f}" if part in row.cpu_seconds else ""

    def busy(row: Measured) -> str:
        return ", ".join(f"{row.cores(part):.2f}" if part in row.cpu_seconds else "none" for part in parts)

    return {**{f"{part} ms/turn": partial(a_turn, part) for part in OURS}, f"cores busy: {', '.join(parts)}": busy}


def _database() -> _Columns:
    def kept(row: Measured) -> str:
        return ", ".join(f"{row.per_turn(size) / 1_000:.2f}" for size in (row.event_bytes, row.checkpoint_bytes, row.other_bytes))

    return {
        "connections of each": lambda row: ", ".join(map(str, row.connections)),
        "in all": lambda row: str(row.connections_in_all),
        "commits/turn": lambda row: f"{row.per_turn(row.commits):.1f}",
        "WAL flushes/turn": lambda row: f"{row.per_turn(row.wal_syncs):.2f}",
        "WAL kB/turn": lambda row: f"{row.per_turn(row.wal_bytes) / 1_000:.1f}",
        "kB kept/turn: events, checkpoints, rest": kept,
    }


def sizing_table(measured: Measured, assumed: Assumptions) -> str:
    sizes = [size_for(users, measured, assumed) for users in _USERS]
    said = ", ".join(f"{field.name} {getattr(assumed, field.name):g}" for field in fields(assumed))
    costs = ", ".join(f"{part} {measured.cpu_ms_per_turn(part):.2f} ms" for part in (SERVERS, POSTGRES, PROXY))
    source = f"From “{measured.scenario}” with {_name(measured)}, CPU a turn: {costs}. Assumed: {said}."
    head = ["", *(f"{size.users:,} users" for size in sizes)]
    return f"{source}\n\n" + _table(head, [[label, *(_said(size, name) for size in sizes)] for name, label in _LABELS.items()])


_LABELS = {
    "turns_per_second": "turns/s at the peak",
    "streams": "streams at the peak",
    "server_processes": "server processes, of one core each",
    "server_gb": "their memory, GB",
    "postgres_cores": "cores for Postgres",
    "proxy_cores": "cores for the proxy",
    "commits_per_second": "commits/s",
    "wal_syncs_per_second": "WAL flushes/s",
    "wal_mb_per_second": "WAL, MB/s",
    "connections": "connections to Postgres, at most",
    "pooled_connections": "the same through pgbouncer",
    "gb_per_month": "database grows by, GB a month",
    "event_gb": "event log, GB, steady",
}


def _said(size: Size, name: str) -> str:
    value = getattr(size, name)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _name(row: Measured) -> str:
    return f"{row.servers} through pgbouncer" if row.is_pooled else str(row.servers)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
