"""Have everybody talk, and close the books: CPU of each part, connections, and what the database was made to do."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import psycopg

from benchmarks.figures import percentiles
from benchmarks.orders import Order, Turn
from benchmarks.processes import quiet_cpu_seconds, rss_bytes
from benchmarks.scaling.figures import POOLER, SERVERS, Measured
from benchmarks.scaling.parts import SERVER_NAME, Parts
from benchmarks.scenario import Scenario

_LOOK_SECONDS: Final = 0.5
_WARM_UP_SECONDS: Final = 90
_CONNECTIONS: Final = "SELECT application_name FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
_DONE: Final = """
    SELECT (SELECT sum(xact_commit) FROM pg_stat_database)::float8,
           (SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal')::float8,
           pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Database:
    commits: float
    wal_syncs: float
    wal_bytes: float
    event_bytes: float
    checkpoint_bytes: float
    other_bytes: float

    def __sub__(self, earlier: "_Database") -> "_Database":
        return _Database(**{name: getattr(self, name) - getattr(earlier, name) for name in self.__slots__})


def measure(parts: Parts, scenario: Scenario) -> Measured:
    """Everybody has one turn that does not count first."""
    order = Order(scenario=scenario, conversations=parts.conversations, first_turn=1, turns=scenario.turns, seconds=scenario.seconds)
    unspread = replace(scenario, spread=False)
    parts.driver.obey(replace(order, scenario=unspread, first_turn=0, turns=1, seconds=_WARM_UP_SECONDS))
    everybody = [process for processes in parts.processes.values() for process in processes]
    before, cpu_before = _database(parts), quiet_cpu_seconds(everybody)
    with _counted(parts.database.url) as most:
        reply = parts.driver.obey(order)
    cpu = [late - early for early, late in zip(cpu_before, quiet_cpu_seconds(everybody), strict=True)]
    good = [turn for turn in reply.turns if not turn.failure]
    if not good:
        raise RuntimeError(f"no turn was answered: {', '.join(sorted({turn.failure for turn in reply.turns}))}")
    times = iter(cpu)
    cpu_seconds = {part: [next(times) for _ in processes] for part, processes in parts.processes.items()}
    servers = parts.processes[SERVERS]
    done = _database(parts) - before
    return Measured(
        servers=len(servers),
        is_pooled=POOLER in parts.processes,
        scenario=str(scenario),
        seconds=max(turn.ended_at for turn in reply.turns) - min(turn.began_at for turn in reply.turns),
        good=len(good),
        failed=scenario.users * scenario.turns - len(good),
        streams_at_once=at_once(good),
        first_token_ms=percentiles([(turn.seen_at[0] - turn.began_at) * 1_000 for turn in good]),
        cpu_seconds=cpu_seconds,
        rss_mb_per_server=max(map(rss_bytes, servers)) / 1_000_000,
        connections=[most[f"{SERVER_NAME}{number}"] for number in range(len(servers))],
        connections_in_all=most["in all"],
        commits=done.commits,
        wal_syncs=done.wal_syncs,
        wal_bytes=done.wal_bytes,
        event_bytes=done.event_bytes,
        checkpoint_bytes=done.checkpoint_bytes,
        other_bytes=done.other_bytes,
    )


def at_once(turns: Sequence[Turn]) -> int:
    """The most answers that were under way in one moment."""
    changes = sorted([(turn.began_at, 1) for turn in turns] + [(turn.ended_at, -1) for turn in turns])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


@contextmanager
def _counted(url: str) -> Iterator[Counter[str]]:
    """The most connections there were by the name of whose they are, and in all."""
    most, over = Counter[str](), threading.Event()

    def look() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not over.wait(_LOOK_SECONDS):
                now = Counter(name for (name,) in connection.execute(_CONNECTIONS))
                now["in all"] = now.total()
                for name, count in now.items():
                    most[name] = max(most[name], count)

    looking = threading.Thread(target=look, name="connections")
    looking.start()
    try:
        yield most
    finally:
        over.set()
        looking.join()


def _database(parts: Parts) -> _Database:
    kept = parts.database.kept_bytes()
    events = sum(size for table, size in kept.items() if table.endswith(".run_event"))
    checkpoints = sum(size for table, size in kept.items() if table.partition(".")[2].startswith("checkpoint"))
    with psycopg.connect(parts.database.url, autocommit=True) as connection:
        row = connection.execute(_DONE).fetchone()
    assert row is not None
    return _Database(
        commits=row[0],
        wal_syncs=row[1],
        wal_bytes=row[2],
        event_bytes=events,
        checkpoint_bytes=checkpoints,
        other_bytes=sum(kept.values()) - events - checkpoints,
    )
