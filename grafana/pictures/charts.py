"""Panels with a time axis: lines, stacks, heat maps and states."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from grafana.pictures import paint, units
from grafana.pictures.asking import Answer, Span
from grafana.pictures.prometheus import Series

_LEGEND_LINES: Final = 3
_LETTERS_OF_A_NAME: Final = 34
_LETTERS_AN_INCH: Final = 17
_LETTERS_BESIDE: Final = 5  # the patch of colour, and the gap to the next
_TICKS: Final = 5


def lines(axes: Axes, panel: Mapping[str, Any], answers: Sequence[Answer], span: Span) -> None:
    config = panel["fieldConfig"]["defaults"]
    found = [(name, series) for answer in answers for name, series in zip(answer.names, answer.found, strict=True)]
    names = [name for name, _ in found]
    colours = paint.of_series(panel, names)
    grid = np.arange(span.begin, span.end + span.step / 2, span.step)
    values = [_on(grid, series.times, series.values, span.step) for _, series in found]
    if config["custom"]["stacking"]["mode"] == "normal":
        axes.stackplot(grid, *[np.nan_to_num(one) for one in values], colors=colours, alpha=0.75, linewidth=0)
    else:
        for one, colour in zip(values, colours, strict=True):
            axes.plot(grid, one, color=colour, linewidth=1.3)
            axes.fill_between(grid, one, color=colour, alpha=0.06)
    _time_axis(axes, span)
    _value_axis(axes, config, max((max(series.values) for _, series in found), default=0))
    _draw_limits(axes, config)
    _legend(axes, names, colours)


def _on(grid: "np.ndarray[Any, Any]", times: Sequence[float], values: Sequence[float], step: float) -> "np.ndarray[Any, Any]":
    """Put values on the grid, with a gap where there were none."""
    placed = np.full(len(grid), np.nan)
    for time, value in zip(times, values, strict=True):
        place = round((time - grid[0]) / step)
        if 0 <= place < len(grid):
            placed[place] = value
    return placed


def _time_axis(axes: Axes, span: Span) -> None:
    axes.set_xlim(span.begin, span.end)
    axes.xaxis.set_major_locator(MaxNLocator(_TICKS, prune="both"))
    shape = "%H:%M" if span.end - span.begin > 1_200 else "%H:%M:%S"  # noqa: PLR2004  # twenty minutes
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: datetime.fromtimestamp(at, UTC).strftime(shape)))
    axes.tick_params(labelsize=7, colors=paint.FAINT, length=0)
    axes.grid(color=paint.GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _value_axis(axes: Axes, config: Mapping[str, Any], largest: float) -> None:
    _, top = axes.get_ylim()
    axes.set_ylim(0, config.get("max") or (top if largest > 0 else 1))
    axes.yaxis.set_major_locator(MaxNLocator(_TICKS - 1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units.text(value, config)))


def _draw_limits(axes: Axes, config: Mapping[str, Any]) -> None:
    """Only where they are in sight: an axis that reaches to them would flatten what is far below."""
    if config["custom"].get("thresholdsStyle", {}).get("mode") == "off":
        return
    _, top = axes.get_ylim()
    steps = config["thresholds"]["steps"]
    above = {one["value"]: one["color"] for one in steps if one["value"] is not None}
    for value, colour in above.items():
        if value <= top:
            axes.axhline(value, color=paint.COLOURS[colour], linewidth=1, linestyle=(0, (5, 3)), alpha=0.9)


def _legend(axes: Axes, names: Sequence[str], colours: Sequence[str]) -> None:
    """Below the axes, line by line, as much as there is room for."""
    if not names:
        return
    labels = [_short(name) for name in names]
    longest = max(len(label) for label in labels)
    wide = axes.get_window_extent().width / axes.figure.dpi
    columns = max(1, min(len(labels), int(wide * _LETTERS_AN_INCH / (longest + _LETTERS_BESIDE))))
    room = columns * _LEGEND_LINES
    shown = [Patch(color=colour, label=label) for label, colour in zip(labels, colours, strict=True)]
    if len(shown) > room:
        shown[room - 1 :] = [Patch(color=paint.PANEL, label=f"and {len(shown) - room + 1} more")]
    axes.legend(
        handles=[one for column in range(columns) for one in shown[column::columns]],  # matplotlib goes down before it goes right
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.1),
        ncols=columns,
        fontsize=7,
        frameon=False,
        handlelength=1,
        handleheight=0.4,
        columnspacing=1,
        borderaxespad=0.2,
    )


def _short(name: str) -> str:
    name = name.strip() or "value"
    return name if len(name) <= _LETTERS_OF_A_NAME else f"{name[: _LETTERS_OF_A_NAME - 1]}…"


def heat(axes: Axes, panel: Mapping[str, Any], answers: Sequence[Answer], span: Span) -> None:
    config = panel["fieldConfig"]["defaults"]
    [answer] = answers
    bounded = sorted(answer.found, key=lambda one: float(one.labels["le"]))
    grid = np.arange(span.begin, span.end + span.step / 2, span.step)
    upto = np.array([np.nan_to_num(_on(grid, one.times, one.values, span.step)) for one in bounded])
    each = np.diff(upto, axis=0, prepend=0) if bounded else np.zeros((1, len(grid)))
    shade = np.ma.masked_less_equal(each, 1e-9) ** 0.5
    axes.imshow(shade, aspect="auto", origin="lower", cmap="Oranges", extent=(span.begin, span.end, 0, max(len(bounded), 1)), vmin=0)
    _time_axis(axes, span)
    axes.set_yticks([at + 1 for at in range(len(bounded))][:: max(1, len(bounded) // 6)])
    bounds = [float(one.labels["le"]) for one in bounded]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda at, _: _bound(bounds, int(at) - 1, config)))


def _bound(bounds: Sequence[float], at: int, config: Mapping[str, Any]) -> str:
    if not 0 <= at < len(bounds):
        return ""
    return "∞" if math.isinf(bounds[at]) else units.text(bounds[at], config)


def states(axes: Axes, panel: Mapping[str, Any], answers: Sequence[Answer], span: Span) -> None:
    config = panel["fieldConfig"]["defaults"]
    [answer] = answers
    for row, (name, series) in enumerate(zip(answer.names, answer.found, strict=True)):
        for value, begin, end in _spells(series):
            axes.broken_barh([(begin, end - begin + span.step)], (row + 0.1, 0.8), color=paint.by_limits(value, config), alpha=0.75, lw=0)
        words = f"  {name}: {units.text(series.values[-1], config)}"
        axes.text(span.begin, row + 0.5, words, va="center", fontsize=8, color=paint.COLOURS["text"])
    axes.set_ylim(max(len(answer.found), 1), 0)
    _time_axis(axes, span)
    axes.set_yticks([])


def _spells(series: Series) -> Iterator[tuple[float, float, float]]:
    """Each value with when it began and when it was seen last."""
    for value, seen in groupby(zip(series.times, series.values, strict=True), key=itemgetter(1)):
        times = [time for time, _ in seen]
        yield value, times[0], times[-1]
