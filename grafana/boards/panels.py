"""What a dashboard is made of, as values: boards of rows of panels of queries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["timeseries", "stat", "gauge", "bargauge", "table", "heatmap", "state-timeline"]

# Grafana's ids of units, those that the boards use.
Unit = Literal["short", "none", "s", "percentunit", "bytes", "Bps", "reqps", "ops", "cpm", "currencyUSD", "string"]
Colour = Literal["green", "blue", "orange", "red", "yellow", "purple", "text"]

GREEN_TO_RED: Final[tuple[Colour, Colour, Colour]] = ("green", "orange", "red")

# What became of something, in the colour that says how bad that is, whatever board it is on.
OUTCOMES: Final[Mapping[str, Colour]] = {
    "completed": "green",
    "interrupted": "blue",
    "cancelled": "yellow",
    "refused": "orange",
    "failed": "red",
    "ok": "green",
    "error": "orange",
    "timeout": "purple",
    "wrong": "orange",
    "locked": "red",
    "given_up": "red",
}


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what a series is called: words with Prometheus' labels in double braces."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a value turns from good to worth a look to bad; `low_is_bad` turns the scale round."""

    worth_a_look: float
    bad: float
    low_is_bad: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One question of whoever is on call (`description`), and its answer."""

    kind: Kind
    title: str
    description: str
    queries: tuple[Query, ...]
    unit: Unit = "short"
    limits: Limits | None = None
    most: float | None = None
    stacked: bool = False
    decimals: int | None = None
    colours: Mapping[str, Colour] = field(default_factory=dict)
    words: Mapping[int, tuple[str, Colour]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the top of a dashboard: the values that a label of a metric has."""

    name: str
    label: str
    metric: str
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)
