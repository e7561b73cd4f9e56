"""Units, colours, limits and what else makes a panel legible, for each kind of it, in Grafana's words."""

from typing import Any

from grafana.boards.panels import Panel


def field_config(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "color": _colour(panel), "thresholds": _thresholds(panel), "mappings": _mappings(panel)}
    if all(query.expr.endswith("> 0") for query in panel.queries):
        defaults["noValue"] = "nothing in this time"  # which is good news, and not "No data"
    if panel.kind in {"timeseries", "gauge", "bargauge"}:
        defaults["min"] = 0
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    return {"defaults": defaults | {"custom": _custom(panel)}, "overrides": _overrides(panel)}


def _colour(panel: Panel) -> dict[str, Any]:
    one_each = panel.kind in {"timeseries", "heatmap"} or (panel.kind == "bargauge" and not panel.limits)
    return {"mode": "palette-classic" if one_each else "thresholds"}


def _thresholds(panel: Panel) -> dict[str, Any]:
    base = "text" if panel.kind in {"stat", "table"} else "green"
    steps: list[dict[str, Any]] = [{"color": base, "value": None}]
    if limits := panel.limits:
        colours = ("green", "orange", "red")
        at = [(None, colours[0]), (limits.worth_a_look, colours[1]), (limits.bad, colours[2])]
        if limits.low_is_bad:
            at = [(None, colours[2]), (limits.bad, colours[1]), (limits.worth_a_look, colours[0])]
        steps = [{"color": colour, "value": value} for value, colour in at]
    return {"mode": "absolute", "steps": steps}


def _mappings(panel: Panel) -> list[dict[str, Any]]:
    if not panel.words:
        return []
    named = {str(value): {"index": at, "text": text, "color": colour} for at, (value, (text, colour)) in enumerate(panel.words.items())}
    return [{"type": "value", "options": named}]


def _custom(panel: Panel) -> dict[str, Any]:
    match panel.kind:
        case "timeseries":
            return {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 40 if panel.stacked else 8,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
                "thresholdsStyle": {"mode": "dashed" if panel.limits else "off"},
            }
        case "state-timeline":
            return {"fillOpacity": 70, "lineWidth": 0}
        case "table":
            return {"align": "auto", "inspect": False, "cellOptions": {"type": "auto"}}
        case "heatmap":
            return {"scaleDistribution": {"type": "linear"}}
        case _:
            return {}


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    painted = [_override(name, {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}) for name, colour in panel.colours.items()]
    if panel.kind != "table":
        return painted
    # Limits colour the values; the words beside them stay as they are.
    values = [heading for key, heading in panel.columns.items() if key.startswith("Value")]
    painted += [_override(heading, {"id": "unit", "value": "string"}) for heading in panel.columns.values() if heading not in values]
    coloured = values if panel.limits else []
    return painted + [_override(heading, {"id": "custom.cellOptions", "value": {"type": "color-text"}}) for heading in coloured]


def _override(name: str, *properties: dict[str, Any]) -> dict[str, Any]:
    return {"matcher": {"id": "byName", "options": name}, "properties": list(properties)}


def transformations(panel: Panel) -> list[dict[str, Any]]:
    """Put several queries of a table beside each other, and keep the columns that are named."""
    if panel.kind != "table":
        return []
    order = {name: at for at, name in enumerate(panel.columns)}
    keep = {"id": "filterFieldsByName", "options": {"include": {"names": list(panel.columns)}}}
    name = {"id": "organize", "options": {"indexByName": order, "renameByName": dict(panel.columns), "excludeByName": {}}}
    return [{"id": "merge", "options": {}}, keep, name]
