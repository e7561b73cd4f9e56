"""What each kind of panel can be told besides its fields, in Grafana's words: every one that its schema asks for."""

from collections.abc import Mapping
from typing import Any, Final

from grafana.boards.panels import Kind, Panel

_LATEST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_TOOLTIP: Final = {"mode": "multi", "sort": "desc"}
_LEGEND: Final = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
_NO_LEGEND: Final = {**_LEGEND, "showLegend": False}

_OPTIONS: Final[Mapping[Kind, Mapping[str, Any]]] = {
    "timeseries": {"legend": _LEGEND, "tooltip": _TOOLTIP},
    "stat": {
        "reduceOptions": _LATEST,
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    "gauge": {
        "reduceOptions": _LATEST,
        "orientation": "auto",
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
        "sizing": "auto",
        "minVizWidth": 75,
        "minVizHeight": 75,
    },
    "bargauge": {
        "reduceOptions": _LATEST,
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "namePlacement": "auto",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 300,
        "legend": _NO_LEGEND,
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "steps": 32,
            "exponent": 0.5,
            "scale": "exponential",
            "fill": "orange",
            "reverse": False,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
    },
    "state-timeline": {
        "showValue": "auto",
        "rowHeight": 0.8,
        "mergeValues": True,
        "alignValue": "left",
        "legend": _NO_LEGEND,
        "tooltip": _TOOLTIP,
    },
}


def options(panel: Panel) -> dict[str, Any]:
    own: dict[str, Any] = {}
    match panel.kind:
        case "stat" if panel.words:
            own = {"graphMode": "none"}
        case "table":
            own = {"sortBy": [_order(panel.columns)]}
        case "heatmap":
            own = {"yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit}}
    return {**_OPTIONS[panel.kind], **own}


def _order(columns: Mapping[str, str]) -> dict[str, Any]:
    """By the value, the largest first; a table of words by its first column."""
    *_, (key, last) = columns.items()
    has_value = key.startswith("Value")
    return {"displayName": last if has_value else next(iter(columns.values())), "desc": has_value}
