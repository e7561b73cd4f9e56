"""A figure and how sure we are of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of `n` observations; the true value lies from `low` to `high` in 95 of 100 such samples."""

    value: float
    low: float
    high: float
    n: int
