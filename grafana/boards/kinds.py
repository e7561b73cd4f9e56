"""How an answer is shown: a panel of each kind, with what differs from one to the next."""

from collections.abc import Mapping

from grafana.boards.panels import Colour, Limits, Panel, Query, Unit


def series(
    title: str,
    description: str,
    *queries: Query,
    unit: Unit = "short",
    limits: Limits | None = None,
    most: float | None = None,
    stacked: bool = False,
    colours: Mapping[str, Colour] | None = None,
    runbook: str = "",
) -> Panel:
    """Draw values over time; `limits` are lines."""
    return Panel(
        kind="timeseries",
        title=title,
        description=description,
        queries=queries,
        unit=unit,
        limits=limits,
        most=most,
        stacked=stacked,
        colours=colours or {},
        runbook=runbook,
    )


def number(
    title: str,
    description: str,
    query: Query,
    *,
    unit: Unit = "short",
    limits: Limits | None = None,
    decimals: int | None = None,
    words: Mapping[int, tuple[str, Colour]] | None = None,
    runbook: str = "",
) -> Panel:
    """Show the latest value, small, in the colour of its limits; `words` stand for whole numbers."""
    return Panel(
        kind="stat",
        title=title,
        description=description,
        queries=(query,),
        unit=unit,
        limits=limits,
        decimals=decimals,
        words=words or {},
        runbook=runbook,
    )


def dial(
    title: str, description: str, query: Query, *, limits: Limits, most: float = 1, unit: Unit = "percentunit", runbook: str = ""
) -> Panel:
    """Show how much of `most` there is."""
    return Panel(
        kind="gauge",
        title=title,
        description=description,
        queries=(query,),
        unit=unit,
        limits=limits,
        most=most,
        runbook=runbook,
    )


def bars(title: str, description: str, query: Query, *, unit: Unit = "short", limits: Limits | None = None, runbook: str = "") -> Panel:
    """Compare what many have now, or had in the time that is shown."""
    return Panel(kind="bargauge", title=title, description=description, queries=(query,), unit=unit, limits=limits, runbook=runbook)


def table(
    title: str,
    description: str,
    *queries: Query,
    columns: Mapping[str, str],
    unit: Unit = "short",
    limits: Limits | None = None,
    runbook: str = "",
) -> Panel:
    """List what there is: `columns` are labels, and `Value`, with their headings, in this order; other labels are left out."""
    return Panel(
        kind="table",
        title=title,
        description=description,
        queries=queries,
        unit=unit,
        limits=limits,
        columns=columns,
        runbook=runbook,
    )


def heat(title: str, description: str, query: Query, *, unit: Unit = "s", runbook: str = "") -> Panel:
    """Show a histogram's buckets over time; the query keeps `le`."""
    return Panel(kind="heatmap", title=title, description=description, queries=(query,), unit=unit, runbook=runbook)


def states(title: str, description: str, query: Query, *, words: Mapping[int, tuple[str, Colour]], runbook: str = "") -> Panel:
    """Show since when each is in which state; `words` name the states."""
    return Panel(kind="state-timeline", title=title, description=description, queries=(query,), words=words, runbook=runbook)
