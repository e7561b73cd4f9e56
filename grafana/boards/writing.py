"""Boards as Grafana reads them: its classic JSON model, in which files are provisioned by every version from 10 on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, groupby
from typing import Any, Final

from grafana.boards.frame import LINKS, SOURCE, annotations, link_to_runbook, variables
from grafana.boards.looks import field_config, transformations
from grafana.boards.options import options
from grafana.boards.panels import Board, Panel, Query

SCHEMA_VERSION: Final = 41  # Grafana 11.6; later ones bring it up to date as they read it
_COLUMNS: Final = 24
# Heights, and how many of each fit beside each other.
_SMALL: Final = 4
_LARGE: Final = 8
_IN_A_LINE: Final = {_SMALL: 6, _LARGE: 4}
_LATEST_ONLY: Final = frozenset({"bargauge", "table"})


def as_text(board: Board) -> str:
    return json.dumps(as_json(board), indent=2, ensure_ascii=False) + "\n"


def as_json(board: Board) -> dict[str, Any]:
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["milepost"],
        "editable": False,
        "graphTooltip": 1,  # the cursor is at the same time on all panels
        "schemaVersion": SCHEMA_VERSION,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": annotations()},
        "links": list(LINKS),
        "templating": {"list": variables(board)},
        "panels": list(_panels(board)),
    }


def _panels(board: Board) -> Iterator[dict[str, Any]]:
    number, top = count(1), 0
    for row in board.rows:
        yield {
            "id": next(number),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": _place(0, top, _COLUMNS, 1),
            "panels": [],
        }
        top += 1
        for line in _lines(row.panels):
            width, height = _COLUMNS // len(line), _height(line[0])
            for at, panel in enumerate(line):
                yield _panel(panel, next(number), _place(at * width, top, width, height))
            top += height


def _lines(panels: Sequence[Panel]) -> Iterator[Sequence[Panel]]:
    """Small panels beside small ones and large beside large, in lines that are as full as each other and fill the width."""
    for height, alike in groupby(panels, key=_height):
        ours, most = list(alike), _IN_A_LINE[height]
        lines = -(-len(ours) // most)
        for line in range(lines):
            yield ours[line * len(ours) // lines : (line + 1) * len(ours) // lines]


def _height(panel: Panel) -> int:
    return _SMALL if panel.kind in {"stat", "gauge"} else _LARGE


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    written = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": place,
        "datasource": SOURCE,
        "targets": [_target(panel, query, at) for at, query in enumerate(panel.queries)],
        "fieldConfig": field_config(panel),
        "options": options(panel),
    }
    if panel.runbook:
        written["links"] = [link_to_runbook(panel.runbook)]
    if changes := transformations(panel):
        written["transformations"] = changes
    return written


def _target(panel: Panel, query: Query, at: int) -> dict[str, Any]:
    latest = panel.kind in _LATEST_ONLY
    shape = {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series")
    return {
        "refId": chr(ord("A") + at),
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": shape,
        "instant": latest,
        "range": not latest,
    }
