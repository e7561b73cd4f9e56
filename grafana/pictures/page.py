"""A dashboard as one picture: its panels where Grafana's grid would have them."""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from grafana.pictures import charts, figures, paint
from grafana.pictures.asking import Answer, Span, ask
from grafana.pictures.prometheus import Prometheus

_INCHES_WIDE: Final = 14.0
_DOTS_PER_INCH: Final = 90
_COLUMNS: Final = 24
_UNIT: Final = 0.29  # inches of one row of the grid
_GAP: Final = 0.04
_HEAD: Final = 0.62
_TITLE: Final = 0.3
_COLOURS: Final = 128  # of the picture: enough for text to be smooth, and half of the bytes

type Draw = Callable[[Axes, Mapping[str, Any], Sequence[Answer], Span], None]

_DRAWN: Final[Mapping[str, Draw]] = {
    "timeseries": charts.lines,
    "heatmap": charts.heat,
    "state-timeline": charts.states,
    "stat": figures.number,
    "gauge": figures.dial,
    "bargauge": figures.bars,
    "table": figures.table,
}
# Inches that axes need beside, below, above and at the right of what they draw.
_ROOM: Final[Mapping[str, tuple[float, float, float, float]]] = {
    "timeseries": (0.62, 0.62, 0.08, 0.12),
    "heatmap": (0.62, 0.28, 0.08, 0.12),
    "state-timeline": (0.12, 0.28, 0.05, 0.12),
    "bargauge": (1.2, 0.12, 0.1, 0.1),
}


class Page:
    """Draw it, then take `png()`. A dashboard of `dashboard`'s JSON over a span of time."""

    def __init__(self, dashboard: Mapping[str, Any], span: Span) -> None:
        self._span = span
        self._dashboard = dashboard
        lowest = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
        self._high = _HEAD + lowest * _UNIT + 0.1
        self._figure = Figure(figsize=(_INCHES_WIDE, self._high), dpi=_DOTS_PER_INCH, facecolor=paint.PAGE)

    def draw(self, prometheus: Prometheus) -> list[str]:
        """Return the titles of panels that had nothing to show. Raise Refused for a query that Prometheus does not take."""
        self._write_head()
        empty = []
        for panel in self._dashboard["panels"]:
            if panel["type"] == "row":
                self._write_row(panel)
            elif not self._draw_panel(panel, ask(prometheus, panel, self._span)):
                empty.append(panel["title"])
        return empty

    def png(self) -> bytes:
        drawn, small = io.BytesIO(), io.BytesIO()
        self._figure.savefig(drawn, format="png")
        Image.open(drawn).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(small, format="PNG", optimize=True)
        return small.getvalue()

    def _write_head(self) -> None:
        begin, end = (datetime.fromtimestamp(at, UTC) for at in (self._span.begin, self._span.end))
        self._write(0.12, 0.12, self._dashboard["title"], size=13, weight="bold")
        self._write(0.12, 0.38, self._dashboard["description"], size=9, colour=paint.FAINT)
        self._write(_INCHES_WIDE - 0.12, 0.12, f"{begin:%H:%M} to {end:%H:%M} UTC", size=9, colour=paint.FAINT, side="right")

    def _write_row(self, panel: Mapping[str, Any]) -> None:
        self._write(0.12, _HEAD + panel["gridPos"]["y"] * _UNIT + 0.07, f"▾ {panel['title']}", size=10, weight="bold")

    def _draw_panel(self, panel: Mapping[str, Any], answers: Sequence[Answer]) -> bool:
        left, top, wide, high = self._place(panel["gridPos"])
        self._draw_frame(left, top, wide, high)
        self._write(left + 0.1, top + 0.08, panel["title"], size=9, weight="bold")
        if not any(answer.found for answer in answers):
            nothing = panel["fieldConfig"]["defaults"].get("noValue", "No data")
            self._write(left + wide / 2, top + high / 2, nothing, size=10, colour=paint.FAINT, side="center")
            return False
        before, below, above, after = _ROOM.get(panel["type"], (0.12, 0.1, 0.02, 0.12))
        inside = (left + before, top + _TITLE + above, wide - before - after, high - _TITLE - above - below)
        _DRAWN[panel["type"]](self._axes(*inside), panel, answers, self._span)
        return True

    def _place(self, place: Mapping[str, int]) -> tuple[float, float, float, float]:
        column = (_INCHES_WIDE - 0.16) / _COLUMNS
        left, top = 0.08 + place["x"] * column + _GAP, _HEAD + place["y"] * _UNIT + _GAP
        return left, top, place["w"] * column - 2 * _GAP, place["h"] * _UNIT - 2 * _GAP

    def _axes(self, left: float, top: float, wide: float, high: float) -> Axes:
        axes: Axes = self._figure.add_axes(
            (left / _INCHES_WIDE, 1 - (top + high) / self._high, wide / _INCHES_WIDE, high / self._high), facecolor=paint.PANEL
        )
        return axes

    def _draw_frame(self, left: float, top: float, wide: float, high: float) -> None:
        corner = (left / _INCHES_WIDE, 1 - (top + high) / self._high)
        size = (wide / _INCHES_WIDE, high / self._high)
        box = FancyBboxPatch(
            corner, *size, boxstyle="square,pad=0", transform=self._figure.transFigure, fc=paint.PANEL, ec=paint.EDGE, lw=0.8, zorder=-1
        )
        self._figure.add_artist(box)

    def _write(
        self,
        left: float,
        top: float,
        words: str,
        *,
        size: float,
        weight: str = "normal",
        colour: str = paint.COLOURS["text"],
        side: str = "left",
    ) -> None:
        self._figure.text(left / _INCHES_WIDE, 1 - top / self._high, words, fontsize=size, weight=weight, color=colour, ha=side, va="top")
