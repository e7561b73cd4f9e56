"""How the pools of connections are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncEngine

from app.persistence.database import EVERYDAY_MOST, Database, Pool

_MILLISECONDS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWaits:
    """Who waits for a connection now, and how many had to since the pool was opened, and how long in all."""

    now: int
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """Connections in use and at rest, and how many there may be; `waits` is None where the pool does not tell."""

    name: str
    used: int
    idle: int
    most: int
    waits: PoolWaits | None = None


class Pools:
    """Of the hot paths, and of everyday queries."""

    def __init__(self, database: Database) -> None:
        self._hot = database.pool
        engine: AsyncEngine = database.query.kw["bind"]
        self._everyday = cast("QueuePool", engine.pool)

    def states(self) -> Sequence[PoolState]:
        return [_hot(self._hot), _everyday(self._everyday)]


def _hot(pool: Pool) -> PoolState:
    told = pool.get_stats()
    idle = told["pool_available"]
    waits = PoolWaits(
        now=told["requests_waiting"],
        count=told.get("requests_queued", 0),
        seconds=told.get("requests_wait_ms", 0) / _MILLISECONDS,
    )
    return PoolState(name="hot", used=told["pool_size"] - idle, idle=idle, most=told["pool_max"], waits=waits)


def _everyday(pool: QueuePool) -> PoolState:
    return PoolState(name="everyday", used=pool.checkedout(), idle=pool.checkedin(), most=EVERYDAY_MOST)
