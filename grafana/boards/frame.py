"""What all dashboards have around their panels: choices at the top, links, and marks for deploys and alerts."""

from typing import Any, Final

from grafana.boards.panels import Board, Variable

SOURCE: Final[dict[str, str]] = {"type": "prometheus", "uid": "${datasource}"}
# Grafana serves the folder of this name under its `public`, where docker-compose.yml mounts docs/.
_DOCS: Final = "/public/milepost/docs"
_INSTANCE: Final = Variable(name="instance", label="Instance", metric="milepost_build_info", of="instance")


def _link(kind: str, title: str, icon: str, url: str, tooltip: str = "") -> dict[str, Any]:
    """A link to `dashboards` takes the time and what is chosen along; another opens a tab."""
    ours = kind == "dashboards"
    return {
        "type": kind,
        "title": title,
        "icon": icon,
        "url": url,
        "tooltip": tooltip,
        "tags": ["milepost"] if ours else [],
        "asDropdown": False,
        "includeVars": ours,
        "keepTime": ours,
        "targetBlank": not ours,
    }


LINKS: Final = (
    _link("dashboards", "Milepost", "external link", ""),
    _link("link", "Runbooks", "doc", f"{_DOCS}/runbooks/README.md", "What to do about each alert"),
    _link("link", "Operations", "info", f"{_DOCS}/operations.md", "How to read all this"),
)


def link_to_runbook(name: str) -> dict[str, Any]:
    return _link("link", "Runbook", "doc", f"{_DOCS}/runbooks/{name}.md")


def variables(board: Board) -> list[dict[str, Any]]:
    source = {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
    }
    return [source, *map(_variable, (_INSTANCE, *board.variables))]


def _variable(variable: Variable) -> dict[str, Any]:
    asked = f"label_values({variable.metric}, {variable.of})"
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": asked, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,  # when the time that is shown changes
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
    }


def annotations() -> list[dict[str, Any]]:
    running = "count by (version, revision) (milepost_build_info)"
    deploys = f"{running} unless {running.replace('_info)', '_info offset 2m)')}"
    firing = 'ALERTS{alertstate="firing", severity=~"page|ticket"}'
    return [
        _annotation("Deploys", deploys, "blue", "{{version}}", "revision {{revision}}"),
        _annotation("Alerts", firing, "red", "{{alertname}}", "{{severity}}"),
    ]


def _annotation(name: str, expr: str, colour: str, title: str, text: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": colour,
        "target": {"refId": "Anno", "expr": expr, "interval": "60s"},
        "titleFormat": title,
        "textFormat": text,
    }
