"""Run one scenario against one target and turn what happened into a row of figures."""

import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.load import Turn, open_clients, talk
from benchmarks.processes import quiet_cpu_seconds, rss_bytes
from benchmarks.scenario import Scenario
from benchmarks.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Figures of one target; times in milliseconds, over the successful turns."""

    target: str
    turns: int
    success_rate: float
    failures: Mapping[str, int]
    cpu_ms_per_turn: float
    postgres_cpu_ms_per_turn: float | None
    first_token_ms: Percentiles
    turn_ms: Percentiles
    turns_per_second: float
    token_frames_per_turn: float
    rss_mb: float
    how: str


async def measure(target: Target, scenario: Scenario) -> Row:
    """Sign everybody up, let each warm up by one turn, then measure until the processes are quiet again."""
    async with open_clients() as clients:
        conversations = await target.open_conversations(clients, scenario.users)
        await talk(clients, conversations, replace(scenario, turns=1), target.hear)
        before = await quiet_cpu_seconds(target.processes)
        began = time.perf_counter()
        turns = await talk(clients, conversations, scenario, target.hear)
        seconds = time.perf_counter() - began
        after = await quiet_cpu_seconds(target.processes)
    cpu_ms = [(late - early) * 1_000 / len(turns) for early, late in zip(before, after, strict=True)]
    return _row(target, turns, seconds, cpu_ms)


def _row(target: Target, turns: Sequence[Turn], seconds: float, cpu_ms: Sequence[float]) -> Row:
    good = [turn for turn in turns if not turn.failure]
    return Row(
        target=target.name,
        turns=len(turns),
        success_rate=len(good) / len(turns),
        failures=Counter(turn.failure for turn in turns if turn.failure),
        cpu_ms_per_turn=cpu_ms[0],
        postgres_cpu_ms_per_turn=cpu_ms[1] if target.postgres else None,
        first_token_ms=percentiles([turn.first_token_seconds * 1_000 for turn in good]),
        turn_ms=percentiles([turn.seconds * 1_000 for turn in good]),
        turns_per_second=len(good) / seconds,
        token_frames_per_turn=sum(turn.token_frames for turn in good) / max(1, len(good)),
        rss_mb=rss_bytes(target.process) / 1_000_000,
        how=target.how,
    )


def percentiles(values: Sequence[float]) -> Percentiles:
    """Cut at the 50th, 95th and 99th of a hundred; not-a-number when there are too few values to cut."""
    cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else [float("nan")] * 99
    return Percentiles(p50=cuts[49], p95=cuts[94], p99=cuts[98])
