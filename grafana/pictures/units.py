"""Numbers as Grafana shows them, in the units that the boards use."""

from collections.abc import Callable, Mapping
from typing import Any, Final

_THOUSANDS: Final = ((1e9, " G"), (1e6, " M"), (1e3, " k"))
_BYTES: Final = ((2**40, " TiB"), (2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B"))
_SECONDS: Final = ((604_800, " weeks"), (86_400, " days"), (3_600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"), (1e-6, " µs"))


def text(value: float, config: Mapping[str, Any]) -> str:
    """`config` is a panel's fieldConfig.defaults."""
    for mapping in config.get("mappings", ()):
        if named := mapping["options"].get(f"{value:.0f}"):
            return str(named["text"])
    return _UNITS[config.get("unit", "short")](value)


def digits(value: float) -> str:
    """Three digits that count, and no zeros at the end."""
    return f"{value:.3g}" if abs(value) < 1_000 else f"{value:.0f}"  # noqa: PLR2004  # so that 1234 is not 1.23e+03


def _scaled(steps: tuple[tuple[float, str], ...], value: float) -> str:
    for size, name in steps:
        if abs(value) >= size:
            return f"{digits(value / size)}{name}"
    return digits(value)


def _with(suffix: str) -> Callable[[float], str]:
    return lambda value: f"{_scaled(_THOUSANDS, value)}{suffix}"


def _dollars(value: float) -> str:
    return f"${value:.2f}" if value == 0 or abs(value) >= 0.01 else f"${value:.2g}"  # noqa: PLR2004  # below a cent


_UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    "short": _with(""),
    "none": digits,
    "s": lambda value: _scaled(_SECONDS, value) if value else "0 s",
    "percentunit": lambda value: f"{digits(value * 100)} %",
    "bytes": lambda value: _scaled(_BYTES, value) if value else "0 B",
    "Bps": lambda value: f"{_scaled(_BYTES, value) if value else '0 B'}/s",
    "reqps": _with(" req/s"),
    "ops": _with(" ops/s"),
    "cpm": _with(" cpm"),
    "currencyUSD": _dollars,
    "string": digits,
}
