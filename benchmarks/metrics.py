"""`python -m benchmarks.metrics`: what a scrape of fifty models and fifty tools comes to, and what one turn's signals cost.

All in this process and without a server: the counters are the same, and so are the calls.
"""

import asyncio
import gzip
import statistics
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import generate_latest
from pydantic import SecretStr

from app import signals
from app.observability.exposition import Exposition
from app.observability.labels import Names, initialise
from app.observability.measuring import measuring
from app.observability.metrics import REGISTRY
from app.settings import Environment, MetricsSettings

_MODELS: Final = [f"provider-{number}/model-{number}" for number in range(50)]
_TOOLS: Final = [f"server-{number}_tool_{number}" for number in range(50)]
_ROUTES: Final = [f"/api/v1/resource-{number}/{{id}}" for number in range(60)]
_AGENTS: Final = ["assistant", "researcher"]
_TIERS: Final = ["free", "pro", "enterprise"]
_TASKS: Final = [f"task_{number}" for number in range(20)]
_TURNS: Final = 5_000
_ROUNDS: Final = 7
_SCRAPES: Final = 20
_MICROSECONDS: Final = 1e6
_ERRORS: Final = ("", "model_unavailable", "model_timeout")


def main() -> None:
    off = _microseconds(_turn)
    with measuring(lambda tool: tool in _TOOLS):
        names = Names(agents=_AGENTS, models=_MODELS, tools=_TOOLS, tiers=_TIERS, tasks=_TASKS)
        initialise(names)
        first = len(_written())
        _fill()
        on = _microseconds(_turn)
        body = _written()
        scrape_ms, held_ms = asyncio.run(_scrapes())
    series = sum(1 for line in body.splitlines() if line and not line.startswith(b"#"))
    packed = gzip.compress(body, compresslevel=1)
    print(f"A scrape of {len(_MODELS)} models, {len(_TOOLS)} tools and {len(_ROUTES)} routes: {series:,} series, {len(body):,} bytes,")
    print(f"{len(packed):,} of them packed; {first:,} bytes before anything had happened. It took {scrape_ms:.0f} ms on a thread,")
    print(f"and held up the event loop by {held_ms:.0f} ms at the most.")
    print(f"The signals of one turn with a call of a tool: {off:.1f} µs with nobody listening, {on:.1f} µs with metrics.")


def _turn() -> None:
    """A message and its answer, as a stream, with two calls of the model and one of a tool."""
    signals.request_begun()
    signals.run_started("assistant")
    signals.quota_moved("reserved")
    signals.attempt_begun("assistant", 1, 0.002)
    signals.stream_opened()
    signals.request_ended("POST", _ROUTES[7], 200, 0.01)
    signals.checkpoint_read(0.001)
    signals.recalled("found", 0.004)
    for _ in range(2):
        signals.cache_asked("miss")
        _call(_MODELS[7], "")
    signals.tool_called(_TOOLS[7], "ok", 0.2)
    for _ in range(6):
        signals.checkpoints_written(1, 4_000, 0.002)
        signals.events_flushed(20, 0.002)
    signals.quota_moved("settled")
    signals.run_ended("assistant", "completed", "", 2.5, 0.4)
    signals.stream_closed("ended")


def _call(model: str, error: str) -> None:
    signals.model_called(
        model=model,
        purpose="answer",
        error=error,
        seconds=2,
        first_token_seconds=0.4,
        input_tokens=900,
        output_tokens=100,
        cached_tokens=300,
        reasoning_tokens=20,
        cost_usd=0.002,
        from_cache=False,
    )


def _fill() -> None:
    """Have each thing happen to each that it can happen to."""
    for route in _ROUTES:
        for method, status in (("GET", 200), ("POST", 200), ("GET", 401), ("GET", 429), ("POST", 500)):
            signals.request_begun()
            signals.request_ended(method, route, status, 0.02)
    for model in _MODELS:
        for error in _ERRORS:
            _call(model, error)
    for tool in _TOOLS:
        for outcome in ("ok", "error", "timeout"):
            signals.tool_called(tool, outcome, 0.3)


def _microseconds(do: Callable[[], None]) -> float:
    """Of CPU, for one; the least of several rounds, for whatever else the machine does only adds to it."""
    rounds = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_TURNS):
            do()
        rounds.append((time.process_time() - began) / _TURNS * _MICROSECONDS)
    return min(rounds)


def _written() -> bytes:
    return generate_latest(REGISTRY)


async def _scrapes() -> tuple[float, float]:
    """Milliseconds of a scrape, and those by which the event loop is late meanwhile."""
    exposition = Exposition(MetricsSettings(token=SecretStr("")), Environment.TEST, lambda: None)
    late: list[float] = []
    watching = asyncio.create_task(_watch(late))
    times: list[float] = []
    for _ in range(_SCRAPES):
        began = time.perf_counter()
        await exposition.scrape({"accept-encoding": "gzip"})
        times.append(time.perf_counter() - began)
    watching.cancel()
    return statistics.median(times) * 1_000, max(late, default=0) * 1_000


async def _watch(late: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - began - 0.001)


if __name__ == "__main__":
    main()
