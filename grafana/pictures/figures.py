"""Panels of the moment: numbers, dials, bars and tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.patches import Wedge

from grafana.pictures import paint, units
from grafana.pictures.asking import Answer, Span

_LINE_INCHES: Final = 0.19
_LETTERS_AN_INCH: Final = 15


def number(axes: Axes, panel: Mapping[str, Any], answers: Sequence[Answer], span: Span) -> None:
    config = panel["fieldConfig"]["defaults"]
    series = answers[0].found[0]
    latest = series.values[-1]
    if panel["options"]["graphMode"] == "area" and len(series.values) > 1:
        over = axes.inset_axes((0, 0, 1, 0.45))
        over.set_axis_off()
        over.set_xlim(span.begin, span.end)
        over.fill_between(series.times, series.values, color=paint.by_limits(latest, config), alpha=0.15, linewidth=0)
    colour = paint.by_limits(latest, config)
    axes.text(0.5, 0.55, units.text(latest, config), ha="center", va="center", fontsize=20, weight="bold", color=colour)
    _bare(axes)


def dial(axes: Axes, panel: Mapping[str, Any], answers: Sequence[Answer], _span: Span) -> None:
    config = panel["fieldConfig"]["defaults"]
    latest = answers[0].found[0].values[-1]
    share = min(max(latest / config["max"], 0), 1)
    middle, radius = (0.5, 0.06), 0.92
    axes.add_patch(Wedge(middle, radius, 0, 180, width=0.2, color=paint.GRID))
    axes.add_patch(Wedge(middle, radius, 180 - 180 * share, 180, width=0.2, color=paint.by_limits(latest, config)))
    axes.text(
        *middle, units.text(latest, config), ha="center", va="bottom", fontsize=14, weight="bold", color=paint.by_limits(latest, config)
    )
    _bare(axes)
    axes.set_xlim(-0.4, 1.4)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")


def bars(axes: Axes, panel: Mapping[str, Any], answers: Sequence[Answer], _span: Span) -> None:
    config = panel["fieldConfig"]["defaults"]
    [answer] = answers
    values = [series.values[-1] for series in answer.found]
    coloured = config["color"]["mode"] == "thresholds"
    colours = [paint.by_limits(value, config) for value in values] if coloured else paint.of_series(panel, answer.names)
    most = config.get("max") or max([*values, 1e-9])
    rows = range(len(values))
    axes.barh(rows, [most] * len(values), color=paint.GRID, height=0.55)
    axes.barh(rows, values, color=colours, height=0.55)
    for row, value in zip(rows, values, strict=True):
        axes.text(most * 1.02, row, units.text(value, config), va="center", fontsize=8, color=paint.COLOURS["text"])
    axes.set_yticks(rows, answer.names, fontsize=8, color=paint.COLOURS["text"])
    axes.set_xlim(0, most * 1.25)
    axes.set_ylim(max(len(values), 3) - 0.5, -0.5)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def table(axes: Axes, panel: Mapping[str, Any], answers: Sequence[Answer], _span: Span) -> None:
    """Rows as Grafana's transformations make them: answers with the same labels are beside each other."""
    headings: Mapping[str, str] = panel["transformations"][-1]["options"]["renameByName"]
    config = panel["fieldConfig"]["defaults"]
    box = axes.get_window_extent()
    inches_high, inches_wide = box.height / axes.figure.dpi, box.width / axes.figure.dpi
    rows = _rows(answers, next(iter(headings)))
    room = int(inches_high / _LINE_INCHES) - 1
    widths = _widths(rows, headings, config)
    for column, (key, heading) in enumerate(headings.items()):
        left = sum(widths[:column])
        letters = int(widths[column] * inches_wide * _LETTERS_AN_INCH)
        axes.text(left, 1, heading, va="top", fontsize=8, weight="bold", color=paint.COLOURS["blue"])
        for line, row in enumerate(rows[:room]):
            words, colour = _cell(row, key, config)
            high = 1 - (line + 1) * _LINE_INCHES / inches_high
            axes.text(left, high, words if len(words) <= letters else f"{words[: letters - 1]}…", va="top", fontsize=8, color=colour)
    _bare(axes)


def _rows(answers: Sequence[Answer], first: str) -> list[dict[str, str | float]]:
    rows: dict[tuple[tuple[str, str], ...], dict[str, str | float]] = {}
    for answer in answers:
        name = "Value" if len(answers) == 1 else f"Value #{answer.ref}"
        for series in answer.found:
            rows.setdefault(tuple(sorted(series.labels.items())), {**series.labels})[name] = series.values[-1]
    by_name = sorted(rows.values(), key=lambda row: str(row.get(first)))
    return sorted(by_name, key=_by_value, reverse=True)


def _by_value(row: Mapping[str, str | float]) -> float:
    return max((value for value in row.values() if isinstance(value, float)), default=0)


def _cell(row: Mapping[str, str | float], key: str, config: Mapping[str, Any]) -> tuple[str, str]:
    value = row.get(key, "")
    if isinstance(value, str):
        return value, paint.COLOURS["text"]
    return units.text(value, config), paint.by_limits(value, config)


def _widths(rows: Sequence[Mapping[str, str | float]], headings: Mapping[str, str], config: Mapping[str, Any]) -> list[float]:
    longest = [max([len(heading), *(len(_cell(row, key, config)[0]) for row in rows)]) + 2 for key, heading in headings.items()]
    return [one / sum(longest) for one in longest]


def _bare(axes: Axes) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_axis_off()
