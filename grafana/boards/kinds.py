"""How an answer is shown: a panel of each kind, with what differs from one to the next."""

from collections.abc import Mapping
from typing import TypedDict, Unpack

from prometheus_client import Histogram

from grafana.boards.panels import Colour, Limits, Panel, Query, Unit
from grafana.boards.promql import quantile


class _Looks(TypedDict, total=False):
    unit: Unit
    limits: Limits
    runbook: str


class _Lines(_Looks, total=False):
    most: float
    stacked: bool
    colours: Mapping[str, Colour]


class _Words(_Looks, total=False):
    words: Mapping[int, tuple[str, Colour]]


class _Number(_Words, total=False):
    decimals: int


def series(title: str, description: str, *queries: Query, **looks: Unpack[_Lines]) -> Panel:
    """Draw values over time; `limits` are lines."""
    return Panel(kind="timeseries", title=title, description=description, queries=queries, **looks)


def number(title: str, description: str, query: Query, **looks: Unpack[_Number]) -> Panel:
    """Show the latest value, small, in the colour of its limits; `words` stand for whole numbers."""
    return Panel(kind="stat", title=title, description=description, queries=(query,), **looks)


def dial(
    title: str, description: str, query: Query, *, limits: Limits, most: float = 1, unit: Unit = "percentunit", runbook: str = ""
) -> Panel:
    """Show how much of `most` there is."""
    queries = (query,)
    return Panel(kind="gauge", title=title, description=description, queries=queries, unit=unit, limits=limits, most=most, runbook=runbook)


def bars(title: str, description: str, query: Query, **looks: Unpack[_Looks]) -> Panel:
    """Compare what many have now, or had in the time that is shown."""
    return Panel(kind="bargauge", title=title, description=description, queries=(query,), **looks)


def table(title: str, description: str, *queries: Query, columns: Mapping[str, str], **looks: Unpack[_Words]) -> Panel:
    """List what there is: `columns` are labels, and `Value`, with their headings, in this order; other labels are left out."""
    return Panel(kind="table", title=title, description=description, queries=queries, columns=columns, **looks)


def heat(title: str, description: str, query: Query, *, unit: Unit = "s", runbook: str = "") -> Panel:
    """Show a histogram's buckets over time; the query keeps `le`."""
    return Panel(kind="heatmap", title=title, description=description, queries=(query,), unit=unit, runbook=runbook)


def states(title: str, description: str, query: Query, *, words: Mapping[int, tuple[str, Colour]], runbook: str = "") -> Panel:
    """Show since when each is in which state; `words` name the states."""
    return Panel(kind="state-timeline", title=title, description=description, queries=(query,), words=words, runbook=runbook)


def spread(metric: Histogram) -> tuple[Query, ...]:
    """How long most take, and how long the slowest."""
    return tuple(Query(quantile(share, metric), name) for share, name in ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %")))
