"""Dashboards against Grafana's own types (tests/grafana/schema/README.md), which must find what is wrong with a broken one."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator

from grafana.boards.listing import FOLDER
from grafana.pictures.asking import panels

_DASHBOARDS: Final = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
_SCHEMA: Final = Draft7Validator(json.loads((Path(__file__).parent / "schema" / "dashboard.schema.json").read_text()))

type Plant = Callable[[dict[str, Any]], object]


def _copies() -> list[dict[str, Any]]:
    return deepcopy([*_DASHBOARDS.values()])


@pytest.mark.parametrize("dashboard", _DASHBOARDS.values(), ids=_DASHBOARDS)
def test_grafana_knows_every_field_of_a_dashboard(dashboard: dict[str, Any]) -> None:
    assert [f"{fault.json_path}: {fault.message[:200]}" for fault in _SCHEMA.iter_errors(dashboard)] == []


_FAULTS: Final[dict[str, tuple[str, Plant]]] = {
    "a kind of panel that there is not": ("timeseries", lambda panel: panel.update(type="timeserie")),
    "an option that is misspelt": ("timeseries", lambda panel: panel["options"].update(legnd={})),
    "an option that is missing": ("stat", lambda panel: panel["options"].pop("reduceOptions")),
    "a value that an option does not take": ("stat", lambda panel: panel["options"].update(colorMode="backgroud")),
    "a legend placed where none can be": ("timeseries", lambda panel: panel["options"]["legend"].update(placement="top")),
    "a way of stacking that there is not": ("timeseries", lambda panel: _custom(panel)["stacking"].update(mode="stacked")),
    "lines as wide as words": ("timeseries", lambda panel: _custom(panel).update(lineWidth="1")),
    "a field of another kind of panel": ("timeseries", lambda panel: _custom(panel).update(cellOptions={"type": "auto"})),
    "thresholds without steps": ("gauge", lambda panel: _defaults(panel)["thresholds"].pop("steps")),
    "a threshold that is a word": ("gauge", lambda panel: _defaults(panel)["thresholds"]["steps"][1].update(value="high")),
    "a way of colouring that there is not": ("bargauge", lambda panel: _defaults(panel)["color"].update(mode="classic")),
    "a mapping of a kind that there is not": ("state-timeline", lambda panel: _defaults(panel)["mappings"][0].update(type="values")),
    "a query without PromQL": ("table", lambda panel: panel["targets"][0].pop("expr")),
    "a query by another name": ("table", lambda panel: panel["targets"][0].update(query="up")),
    "a format that there is not": ("heatmap", lambda panel: panel["targets"][0].update(format="histogram")),
    "a panel that is nowhere": ("table", lambda panel: panel.pop("gridPos")),
    "a place without a width": ("heatmap", lambda panel: panel["gridPos"].pop("w")),
    "a link without an address to open": ("gauge", lambda panel: panel["links"][0].update(url=7)),
}


def _defaults(panel: dict[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = panel["fieldConfig"]["defaults"]
    return defaults


def _custom(panel: dict[str, Any]) -> dict[str, Any]:
    custom: dict[str, Any] = _defaults(panel)["custom"]
    return custom


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_panel_with_a_fault_is_found_out(fault: str) -> None:
    kind, plant = _FAULTS[fault]
    dashboard = next(one for one in _copies() if any(panel["type"] == kind for panel in panels(one)))
    plant(next(panel for panel in panels(dashboard) if panel["type"] == kind))
    assert not _SCHEMA.is_valid(dashboard)


_OF_THE_WHOLE: Final[dict[str, Plant]] = {
    "no uid to link to": lambda dashboard: dashboard.pop("uid"),
    "a field that nobody knows": lambda dashboard: dashboard.update(titel="Milepost"),
    "a refresh that is a number": lambda dashboard: dashboard.update(refresh=30),
    "a variable of no kind": lambda dashboard: dashboard["templating"]["list"][1].update(type="label"),
    "a variable that is refreshed when nobody knows": lambda dashboard: dashboard["templating"]["list"][1].update(refresh="always"),
    "a mark without a query": lambda dashboard: dashboard["annotations"]["list"][0]["target"].pop("expr"),
    "a link of no kind": lambda dashboard: dashboard["links"][0].update(type="dashboard"),
    "a cursor shared in a way that there is not": lambda dashboard: dashboard.update(graphTooltip=3),
}


@pytest.mark.parametrize("fault", _OF_THE_WHOLE)
def test_a_dashboard_with_a_fault_is_found_out(fault: str) -> None:
    for dashboard in _copies():
        _OF_THE_WHOLE[fault](dashboard)
        assert not _SCHEMA.is_valid(dashboard)
