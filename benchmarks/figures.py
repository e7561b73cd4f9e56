"""The arithmetic of the report, apart from everything that measures."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    p50: float
    p95: float
    p99: float


def percentiles(values: Sequence[float]) -> Percentiles:
    """Cut at the 50th, 95th and 99th of a hundred; not-a-number when there is nothing to cut."""
    cuts = statistics.quantiles(values, n=100, method="inclusive") if values else [float("nan")] * 99
    return Percentiles(p50=cuts[49], p95=cuts[94], p99=cuts[98])


def gaps(times: Sequence[float]) -> list[float]:
    """The pauses between one token and the next."""
    return [late - early for early, late in pairwise(times)]


def delays(sent: Sequence[float], seen: Sequence[float]) -> list[float]:
    """How long each token was under way; ValueError when not every token that was sent was seen, or one was seen twice."""
    return [there - here for here, there in zip(sent, seen, strict=True)]


def per(amount: float, count: int) -> float:
    """A share of the whole, or not-a-number: nothing was done for nobody's cost is no figure."""
    return amount / count if count else float("nan")
