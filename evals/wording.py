"""Figures as people read them: shares in percent, differences of shares in points, measures in their unit."""

from collections.abc import Sequence
from typing import Final

from evals.estimates import Estimate

_NAMED: Final = 5


def value(number: float, unit: str = "") -> str:
    if unit == "$":
        return f"${number:,.4f}"
    if unit:
        return f"{number:,.2f} {unit}"
    return f"{100 * number:.1f} %"


def change(number: float, unit: str = "") -> str:
    """A signed one."""
    sign = "-" if number < 0 else "+"
    return f"{sign}{_size(number, unit)}"


def estimate(seen: Estimate, unit: str = "") -> str:
    return f"{value(seen.value, unit)} ({interval(seen, unit)}, n = {seen.n})"


def interval(seen: Estimate, unit: str = "") -> str:
    return f"{value(seen.low, unit)} to {value(seen.high, unit)}"


def changed(seen: Estimate, unit: str = "") -> str:
    return f"{change(seen.value, unit)} ({change_interval(seen, unit)}, n = {seen.n})"


def change_interval(seen: Estimate, unit: str = "") -> str:
    low = change(seen.low, unit)
    return f"{low if unit else low.removesuffix(' points')} to {change(seen.high, unit)}"


def chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004  # what three digits can show


def names(cases: Sequence[str]) -> str:
    more = len(cases) - _NAMED
    return ", ".join(cases[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _size(number: float, unit: str) -> str:
    return value(abs(number), unit) if unit else f"{100 * abs(number):.1f} points"
