"""What was measured and what follows from it, as tables."""

from collections.abc import Iterator, Sequence
from dataclasses import fields

from benchmarks.scaling.figures import OURS, POSTGRES, PROXY, SERVERS, Measured, full_first
from benchmarks.scaling.sizing import Assumptions, Size, size_for

_USERS = (10_000, 100_000, 1_000_000)


def measured_tables(rows: Sequence[Measured], cores: int) -> str:
    """One table for each scenario: throughput with what was full, then CPU, connections and writes for each."""
    return "\n\n".join(
        table
        for name in dict.fromkeys(row.scenario for row in rows)
        for table in _tables([row for row in rows if row.scenario == name], cores)
    )


def _tables(rows: Sequence[Measured], cores: int) -> Iterator[str]:
    yield f"**{rows[0].scenario}**"
    yield _table(
        ["servers", "turns/s", "streams at once", "failed", "first token ms p50", "p99", "full first"],
        [
            [
                _name(row),
                f"{row.turns_per_second:.1f}",
                str(row.streams_at_once),
                str(row.failed),
                f"{row.first_token_ms.p50:.0f}",
                f"{row.first_token_ms.p99:.0f}",
                full_first(row, cores),
            ]
            for row in rows
        ],
    )
    yield _table(
        ["servers", *(f"{part} ms/turn" for part in OURS), "cores busy: " + ", ".join(rows[-1].cpu_seconds)],
        [
            [
                _name(row),
                *(f"{row.cpu_ms_per_turn(part):.2f}" if part in row.cpu_seconds else "" for part in OURS),
                ", ".join(f"{row.cores(part):.2f}" if part in row.cpu_seconds else "none" for part in rows[-1].cpu_seconds),
            ]
            for row in rows
        ],
    )
    yield _table(
        [
            "servers",
            "connections of each",
            "in all",
            "commits/turn",
            "WAL flushes/turn",
            "WAL kB/turn",
            "kB kept/turn: events, checkpoints, rest",
        ],
        [
            [
                _name(row),
                ", ".join(map(str, row.connections)),
                str(row.connections_in_all),
                f"{row.per_turn(row.commits):.1f}",
                f"{row.per_turn(row.wal_syncs):.2f}",
                f"{row.per_turn(row.wal_bytes) / 1_000:.1f}",
                ", ".join(f"{row.per_turn(size) / 1_000:.2f}" for size in (row.event_bytes, row.checkpoint_bytes, row.other_bytes)),
            ]
            for row in rows
        ],
    )


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
