"""Colours, as Grafana's light theme has them."""

from collections.abc import Mapping
from typing import Any, Final

COLOURS: Final[Mapping[str, str]] = {
    "green": "#56a64b",
    "blue": "#3274d9",
    "orange": "#ff780a",
    "red": "#e02f44",
    "yellow": "#f2cc0c",
    "purple": "#a352cc",
    "text": "#24292e",
}
PALETTE: Final = (
    "#56a64b",
    "#e0b400",
    "#3274d9",
    "#ff780a",
    "#e02f44",
    "#8f3bb8",
    "#19a2a2",
    "#b877d9",
    "#96d98d",
    "#8ab8ff",
    "#ffb357",
    "#705da0",
)
PAGE: Final = "#f4f5f5"
PANEL: Final = "#ffffff"
EDGE: Final = "#d8d9da"
FAINT: Final = "#8e9299"
GRID: Final = "#ececee"


def by_limits(value: float, config: Mapping[str, Any]) -> str:
    """Give the colour of the last threshold that the value has reached; `config` is a panel's fieldConfig.defaults."""
    for mapping in config.get("mappings", ()):
        if named := mapping["options"].get(f"{value:.0f}"):
            return COLOURS[named["color"]]
    reached = [step["color"] for step in config["thresholds"]["steps"] if step["value"] is None or value >= step["value"]]
    return COLOURS[reached[-1]]


def of_series(panel: Mapping[str, Any], names: list[str]) -> list[str]:
    """Give each series its own colour, or the one that the panel keeps for its name."""
    kept = {
        override["matcher"]["options"]: COLOURS[change["value"]["fixedColor"]]
        for override in panel["fieldConfig"]["overrides"]
        for change in override["properties"]
        if change["id"] == "color"
    }
    free = [colour for colour in PALETTE if colour not in kept.values()] or list(PALETTE)
    others = [name for name in names if name not in kept]
    return [kept[name] if name in kept else free[others.index(name) % len(free)] for name in names]
