"""What is not told when it moves, but looked at when somebody asks for the metrics. Nothing here waits for anything."""

from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, field
from typing import Protocol

from app.observability import metrics
from app.observability.children import Children
from app.observability.hearing.models import show_breaker

_connections = Children(metrics.POOL_CONNECTIONS)
_most = Children(metrics.POOL_MOST)
_waiting = Children(metrics.POOL_WAITING)
_waits = Children(metrics.POOL_WAITS)
_wait_seconds = Children(metrics.POOL_WAIT_SECONDS)


class Waits(Protocol):
    """How many wait now, and how many had to since the pool was opened, and for how long in all."""

    @property
    def now(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def seconds(self) -> float: ...


class Pool(Protocol):
    """Connections as they are now."""

    @property
    def name(self) -> str: ...
    @property
    def used(self) -> int: ...
    @property
    def idle(self) -> int: ...
    @property
    def most(self) -> int: ...
    @property
    def waits(self) -> Waits: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """`breakers` are models with the state of each one's."""

    pools: Callable[[], Iterable[Pool]]
    breakers: Callable[[], Iterable[tuple[str, str]]]
    live_runs: Sized
    most_runs: int
    _before: dict[str, tuple[int, float]] = field(default_factory=dict)

    def look(self) -> None:
        metrics.RUNS_LIVE.set(len(self.live_runs))
        metrics.RUNS_MOST.set(self.most_runs)
        for model, state in self.breakers():
            show_breaker(model, state)
        for pool in self.pools():
            self._look_at(pool)

    def _look_at(self, pool: Pool) -> None:
        _connections(pool.name, "used").set(pool.used)
        _connections(pool.name, "idle").set(pool.idle)
        _most(pool.name).set(pool.most)
        waits, (count, seconds) = pool.waits, self._before.get(pool.name, (0, 0.0))
        _waiting(pool.name).set(waits.now)
        _waits(pool.name).inc(waits.count - count)
        _wait_seconds(pool.name).inc(waits.seconds - seconds)
        self._before[pool.name] = (waits.count, waits.seconds)
