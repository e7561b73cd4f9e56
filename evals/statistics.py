"""Shares and agreement, with how sure we are of them."""

from collections.abc import Sequence
from math import sqrt
from typing import Final

from scipy.stats import binomtest

from evals.estimates import Estimate

_Z: Final = 1.959963984540054


def wilson(successes: float, n: int) -> Estimate:
    """A share with Wilson's score interval; without observations nothing is known (Wilson 1927)."""
    if n == 0:
        return Estimate(value=0, low=0, high=1, n=0)
    interval = binomtest(round(successes), n).proportion_ci(method="wilson")
    return Estimate(value=successes / n, low=float(interval.low), high=float(interval.high), n=n)


def kappa(pairs: Sequence[tuple[bool, bool]]) -> Estimate:
    """Cohen's κ of two raters with the large-sample interval; 0 where one of them always says the same (Fleiss, Cohen, Everitt 1969)."""
    n = len(pairs)
    if n == 0:
        return Estimate(value=0, low=-1, high=1, n=0)
    agreed = sum(one == other for one, other in pairs) / n
    first, second = sum(one for one, _ in pairs) / n, sum(other for _, other in pairs) / n
    chance = first * second + (1 - first) * (1 - second)
    if chance == 1:
        return Estimate(value=0, low=-1, high=1, n=n)
    value, error = (agreed - chance) / (1 - chance), sqrt(agreed * (1 - agreed) / n) / (1 - chance)
    return Estimate(value=value, low=max(-1, value - _Z * error), high=min(1, value + _Z * error), n=n)
