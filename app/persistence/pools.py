"""How the pool of connections is."""

from dataclasses import dataclass
from typing import Final

from app.persistence.database import Pool

_MILLISECONDS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWaits:
    """Who waits for a connection now, and how many had to since the pool was opened, and how long in all."""

    now: int
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """Connections in use and at rest, and how many there may be."""

    name: str
    used: int
    idle: int
    most: int
    waits: PoolWaits


def state_of(pool: Pool) -> PoolState:
    told = pool.get_stats()
    idle = told["pool_available"]
    waits = PoolWaits(
        now=told["requests_waiting"],
        count=told.get("requests_queued", 0),
        seconds=told.get("requests_wait_ms", 0) / _MILLISECONDS,
    )
    return PoolState(name="main", used=told["pool_size"] - idle, idle=idle, most=told["pool_max"], waits=waits)
