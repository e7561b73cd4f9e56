"""Intervals and tests for small samples of cases. Each draws by a seed of its own, so the same values give the same figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evals.estimates import Estimate

DRAWS: Final = 4_000
_SEED: Final = 20_261_122
_ROWS: Final = 500

type Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What a case scored, as the mean of its repeats: cases are what is sampled, and repeats of one say little more of the others."""

    value: float
    weight: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What the same case scored before and after a change."""

    before: float
    after: float
    weight: float = 1

    @property
    def as_before(self) -> Weighed:
        return Weighed(value=self.before, weight=self.weight)

    @property
    def as_after(self) -> Weighed:
        return Weighed(value=self.after, weight=self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """After less before; `p_lower` and `p_higher` are how often chance alone would show a fall or a rise as large."""

    estimate: Estimate
    p_lower: float
    p_higher: float

    @property
    def p(self) -> float:
        """Of a change in either direction."""
        return min(1.0, 2 * min(self.p_lower, self.p_higher))


def wilson(successes: float, n: float) -> Estimate:
    """Estimate a share (Wilson 1927, J. Am. Stat. Assoc. 22:209); `n` may be an effective size."""
    if n <= 0:
        return Estimate(value=0, low=0, high=1, n=0)
    share, z = successes / n, float(stats.norm.ppf(0.975))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return Estimate(value=share, low=max(0.0, min(share, middle - half)), high=min(1.0, max(share, middle + half)), n=round(n))


def mean(cases: Sequence[Weighed], *, share: bool = True) -> Estimate:
    """Estimate a weighted mean over cases: of a `share` that is all 0 and 1 (or all the same) by Wilson, else by a percentile bootstrap.

    A bootstrap of 20 passes in 20 says that nothing can fail. Wilson's size is Kish's effective one (Survey Sampling, 1965), which unequal
    weights make smaller. Bootstrap: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13, with cases as clusters.
    """
    values, weights = _columns(cases)
    if not len(values):
        return Estimate(value=0, low=0, high=1 if share else 0, n=0)
    value = float(values @ weights / weights.sum())
    if share and (np.isin(values, (0, 1)).all() or np.ptp(values) == 0):
        size = float(weights.sum() ** 2 / (weights @ weights))
        spread = wilson(value * size, size)
        return Estimate(value=value, low=spread.low, high=spread.high, n=len(values))
    return _bootstrapped(value, values, weights)


def percentile(cases: Sequence[Weighed], quantile: float) -> Estimate:
    """Estimate a percentile of the cases, each counting once, by a percentile bootstrap."""
    values, _ = _columns(cases)
    if not len(values):
        return Estimate(value=0, low=0, high=0, n=0)
    drawn = np.concatenate([np.quantile(values[rows], quantile, axis=1) for rows in _samples(len(values))])
    return _estimate(float(np.quantile(values, quantile)), drawn, len(values))


def difference(pairs: Sequence[Pair]) -> Difference:
    """Compare by case. The interval is a paired bootstrap's; p is McNemar's where cases pass or fail, else that of flipped signs.

    Where all pass or fail as before, or all turn the same way, a bootstrap says that nothing else can happen: the interval is Bonett and
    Price's then (2012, J. Educ. Behav. Stat. 37:479), as if one more case had turned either way.
    Flipping (Fisher, The Design of Experiments, 1935, § 21) is exact where the change does nothing, and has no assumption beside.
    """
    if not pairs:
        return Difference(estimate=Estimate(value=0, low=0, high=0, n=0), p_lower=1, p_higher=1)
    gains = np.array([pair.after - pair.before for pair in pairs])
    weights = np.array([pair.weight for pair in pairs], dtype=float)
    estimate = _bootstrapped(float(gains @ weights / weights.sum()), gains, weights)
    if np.ptp(gains) == 0 and all({pair.before, pair.after} <= {0, 1} for pair in pairs):
        estimate = _widened(estimate, float(weights.sum() ** 2 / (weights @ weights)))
    if np.isin(gains, (-1, 0, 1)).all() and np.ptp(weights) == 0:
        bad, good = int((gains == -1).sum()), int((gains == 1).sum())
        return Difference(estimate=estimate, p_lower=mcnemar(bad, good), p_higher=mcnemar(good, bad))
    lower, higher = _flipped(gains * weights)
    return Difference(estimate=estimate, p_lower=lower, p_higher=higher)


def mcnemar(turned: int, other_way: int) -> float:
    """Test one-sided whether more cases turned one way than the other (McNemar 1947, Psychometrika 12:153), by the binomial itself.

    It is the mid-p variant, as Fagerland, Lydersen & Laake advise (2013, BMC Med. Res. Methodol. 13:91): the plain exact test errs so far
    to the safe side that it overlooks more.
    """
    turns = turned + other_way
    return float(stats.binom.sf(turned - 1, turns, 0.5) - stats.binom.pmf(turned, turns, 0.5) / 2) if turns else 1.0


def holm(levels: Sequence[float]) -> Sequence[float]:
    """Correct p-values of several tests, so that one of them is wrong as seldom as a single one (Holm 1979, Scand. J. Stat. 6:65)."""
    order = sorted(range(len(levels)), key=levels.__getitem__)
    corrected, worst = [0.0] * len(levels), 0.0
    for place, index in enumerate(order):
        worst = max(worst, min(1.0, levels[index] * (len(levels) - place)))
        corrected[index] = worst
    return corrected


def kappa(pairs: Sequence[tuple[bool, bool]]) -> Estimate:
    """Estimate how far two agree beyond chance (Cohen 1960, Educ. Psychol. Meas. 20:37).

    The interval is that of draws from the posterior of the four counts under Jeffreys' prior: unlike a bootstrap's it has a width where all
    agree. Where both say always the same, κ is not defined and 0 here.
    """
    counts = np.array([sum(pair == (one, other) for pair in pairs) for one in (True, False) for other in (True, False)], dtype=float)
    drawn = np.random.default_rng(_SEED).dirichlet(counts + 0.5, DRAWS)
    value = float(_kappas(counts[None] / max(1, len(pairs)))[0])
    return _estimate(value, _kappas(drawn), len(pairs))


def detectable(pairs: Sequence[Pair], *, level: float = 0.05, power: float = 0.8) -> float:
    """Say how large a fall must truly be for a one-sided test of so many pairs, as scattered as these, to find it so often.

    Infinite where they are not scattered at all, for then nobody can say. Heavier cases make the sample smaller (Kish, as above).
    """
    gains = np.array([pair.after - pair.before for pair in pairs], dtype=float)
    weights = np.array([pair.weight for pair in pairs], dtype=float)
    if len(pairs) < 2 or np.ptp(gains) == 0:  # noqa: PLR2004  # one pair has no scatter
        return float("inf")
    size = float(weights.sum() ** 2 / (weights @ weights))
    spread = float(np.sqrt(np.cov(gains, aweights=weights)))
    return float(stats.norm.ppf(1 - level) + stats.norm.ppf(power)) * spread / float(np.sqrt(size))


def _columns(cases: Sequence[Weighed]) -> tuple[Values, Values]:
    return np.array([case.value for case in cases], dtype=float), np.array([case.weight for case in cases], dtype=float)


def _samples(n: int) -> Sequence[NDArray[np.int64]]:
    """Rows of places drawn with return, in parts that fit into memory for any number of cases."""
    chance = np.random.default_rng(_SEED)
    return [chance.integers(0, n, size=(_ROWS, n)) for _ in range(DRAWS // _ROWS)] if n else []


def _bootstrapped(value: float, values: Values, weights: Values) -> Estimate:
    weighed = values * weights
    drawn = np.concatenate([weighed[rows].sum(axis=1) / weights[rows].sum(axis=1) for rows in _samples(len(values))])
    return _estimate(value, drawn, len(values))


def _widened(seen: Estimate, size: float) -> Estimate:
    turned = [(size * share + 1) / (size + 2) for share in (max(0.0, -seen.value), max(0.0, seen.value))]
    middle = turned[1] - turned[0]
    half = float(stats.norm.ppf(0.975)) * ((sum(turned) - middle**2) / (size + 2)) ** 0.5
    return Estimate(
        value=seen.value, low=max(-1.0, min(seen.value, middle - half)), high=min(1.0, max(seen.value, middle + half)), n=seen.n
    )


def _estimate(value: float, drawn: Values, n: int) -> Estimate:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(value=value, low=min(value, float(low)), high=max(value, float(high)), n=n)


def _flipped(gains: Values) -> tuple[float, float]:
    told = gains[gains != 0]
    if not len(told):
        return 1.0, 1.0
    signs = np.random.default_rng(_SEED).integers(0, 2, size=(DRAWS, len(told)), dtype=np.int8) * 2.0 - 1
    sums, seen = signs @ told, float(told.sum())
    slack = 1e-9 * float(np.abs(told).sum())
    lower, higher = int((sums <= seen + slack).sum()), int((sums >= seen - slack).sum())
    return (1 + lower) / (1 + DRAWS), (1 + higher) / (1 + DRAWS)


def _kappas(shares: Values) -> Values:
    both, first, second, neither = shares.T
    agreed = both + neither
    chance = (both + first) * (both + second) + (second + neither) * (first + neither)
    defined = chance < 1
    return np.where(defined, (agreed - chance) / np.where(defined, 1 - chance, 1), 0.0)
