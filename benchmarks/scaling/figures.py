"""What was measured of a number of servers, and what of it was full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Percentiles, per

SERVERS: Final = "servers"
POSTGRES: Final = "Postgres"
PROXY: Final = "proxy"
POOLER: Final = "pgbouncer"
STUB: Final = "stub"
CLIENTS: Final = "clients"
# Those that an operator has; the others are there to measure.
OURS: Final = (SERVERS, POSTGRES, PROXY, POOLER)
_FULL: Final = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`cpu_seconds` are of each part's processes, `connections` the most there were of each server; bytes are the database's growth."""

    servers: int
    is_pooled: bool
    scenario: str
    seconds: float
    good: int
    failed: int
    streams_at_once: int
    first_token_ms: Percentiles
    cpu_seconds: Mapping[str, Sequence[float]]
    rss_mb_per_server: float
    connections: Sequence[int]
    connections_in_all: int
    commits: float
    wal_syncs: float
    wal_bytes: float
    event_bytes: float
    checkpoint_bytes: float
    other_bytes: float

    @property
    def turns_per_second(self) -> float:
        return per(self.good, 1) / self.seconds

    def cpu_ms_per_turn(self, part: str) -> float:
        return per(sum(self.cpu_seconds.get(part, ())) * 1_000, self.good)

    def cores(self, part: str) -> float:
        """How many cores it kept busy."""
        return sum(self.cpu_seconds.get(part, ())) / self.seconds

    def per_turn(self, amount: float) -> float:
        return per(amount, self.good)


def full_first(measured: Measured, cores: int) -> str:
    """What there was no more of: the machine's cores, one process's core, or nothing."""
    shares = {part: max(times, default=0) / measured.seconds for part, times in measured.cpu_seconds.items() if part != POSTGRES}
    alone = [part for part, share in shares.items() if share >= _FULL]
    if sum(map(measured.cores, measured.cpu_seconds)) >= _FULL * cores:
        return "the machine's cores" + (f", and one core of {' and '.join(alone)}" if alone else "")
    return f"one core of {' and '.join(alone)}" if alone else "nothing"
