"""How much of each part a number of users takes: arithmetic on what was measured, with everything that was assumed named."""

import math
from dataclasses import dataclass
from typing import Final

from app.settings import DatabaseSettings
from benchmarks.scaling.figures import POSTGRES, PROXY, SERVERS, Measured

_DAY_SECONDS: Final = 86_400
_MONTH_DAYS: Final = 30
_EARS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """`peak_factor` is the busiest minutes' turns beside the day's mean; `most_busy` how much of a core may be in use then.

    `disk_factor` is what indexes and half-empty pages make of a row's bytes. Answers are as long and as fast as those that were measured.
    """

    daily_share: float = 0.2
    turns_a_day: float = 10
    peak_factor: float = 4
    answer_seconds: float = 6
    most_busy: float = 0.6
    disk_factor: float = 2
    event_hours: float = 72
    pool_size: int = DatabaseSettings.model_fields["pool_size"].default
    pooler_size: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a number of users takes at their peak, and of storage."""

    users: int
    turns_per_second: float
    streams: float
    server_processes: int
    server_gb: float
    postgres_cores: float
    proxy_cores: float
    commits_per_second: float
    wal_syncs_per_second: float
    wal_mb_per_second: float
    connections: int
    pooled_connections: int
    gb_per_month: float
    event_gb: float


def size_for(users: int, measured: Measured, assumed: Assumptions) -> Size:
    """One server more than the peak takes, so that one may die or be replaced in it."""
    turns_per_day = users * assumed.daily_share * assumed.turns_a_day
    turns = turns_per_day / _DAY_SECONDS * assumed.peak_factor

    def cores(part: str) -> float:
        return turns * measured.cpu_ms_per_turn(part) / 1_000 / assumed.most_busy

    def gigabytes(turns: float, amount: float) -> float:
        return turns * measured.per_turn(amount) * assumed.disk_factor / 1e9

    processes = math.ceil(cores(SERVERS)) + 1
    return Size(
        users=users,
        turns_per_second=turns,
        streams=turns * assumed.answer_seconds,
        server_processes=processes,
        server_gb=processes * measured.rss_mb_per_server / 1_000,
        postgres_cores=cores(POSTGRES),
        proxy_cores=cores(PROXY),
        commits_per_second=turns * measured.per_turn(measured.commits),
        wal_syncs_per_second=turns * measured.per_turn(measured.wal_syncs),
        wal_mb_per_second=turns * measured.per_turn(measured.wal_bytes) / 1e6,
        connections=processes * (assumed.pool_size + _EARS),
        pooled_connections=processes * _EARS + assumed.pooler_size,
        gb_per_month=gigabytes(turns_per_day * _MONTH_DAYS, measured.checkpoint_bytes + measured.other_bytes),
        event_gb=gigabytes(turns_per_day * assumed.event_hours / 24, measured.event_bytes),
    )
