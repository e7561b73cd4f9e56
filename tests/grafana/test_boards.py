"""The dashboards as they are written: complete, explained, and the same in git as in code."""

import json
import re
from itertools import combinations
from typing import Any, Final

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from app.observability import metrics
from app.settings import ROOT
from grafana.boards.kinds import number, series
from grafana.boards.listing import BOARDS, FOLDER
from grafana.boards.panels import Board, Query, Row
from grafana.boards.promql import increase, name_of, quantile, rate
from grafana.boards.writing import as_text
from grafana.pictures.asking import panels

_WIDTH: Final = 24
_DASHBOARDS: Final = {board.uid: json.loads(as_text(board)) for board in BOARDS}
_METRICS: Final = {name: metric for name, metric in vars(metrics).items() if isinstance(metric, Counter | Gauge | Histogram)}


def _queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_what_is_in_git_is_what_the_code_writes(board: Board) -> None:
    assert (FOLDER / f"{board.uid}.json").read_text() == as_text(board), "Run `make dashboards`."


def test_nothing_else_is_in_the_folder() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(_DASHBOARDS)


@pytest.mark.parametrize("constant", _METRICS)
def test_every_metric_is_on_a_panel(constant: str) -> None:
    name = name_of(_METRICS[constant])
    asked = " ".join(query for dashboard in _DASHBOARDS.values() for query in _queries(dashboard))
    assert re.search(rf"\b{name}(_total|_bucket|_count|_sum)?\b", asked), name


@pytest.mark.parametrize("dashboard", _DASHBOARDS.values(), ids=_DASHBOARDS)
def test_every_panel_says_what_it_answers(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        assert panel["title"], panel
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("dashboard", _DASHBOARDS.values(), ids=_DASHBOARDS)
def test_panels_lie_beside_each_other_and_not_on_each_other(dashboard: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= _WIDTH for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


@pytest.mark.parametrize("dashboard", _DASHBOARDS.values(), ids=_DASHBOARDS)
def test_variables_are_chosen_from_and_all_that_queries_name_are_there(dashboard: dict[str, Any]) -> None:
    there = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = {name for query in _queries(dashboard) for name in re.findall(r"\$(\w+)", query)} - {"__rate_interval", "__range"}
    assert used == there - {"datasource"}
    sources = [part["datasource"] for panel in panels(dashboard) for part in (panel, *panel["targets"])]
    assert {source["uid"] for source in sources} == {"${datasource}"}


def test_runbooks_that_panels_link_are_there() -> None:
    links = [link for dashboard in _DASHBOARDS.values() for panel in panels(dashboard) for link in panel.get("links", ())]
    assert len(links) > len(_DASHBOARDS)
    for url in {link["url"] for link in links} | {link["url"] for one in _DASHBOARDS.values() for link in one["links"] if link["url"]}:
        assert url.startswith("/public/milepost/docs/")
        assert (ROOT / url.removeprefix("/public/milepost/")).is_file(), url


def test_a_label_that_a_metric_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="milepost_runs_started has no label modle"):
        rate(metrics.RUNS_STARTED, "modle")
    with pytest.raises(ValueError, match="milepost_limited has no label teir"):
        increase(metrics.LIMITED, where='teir="free"')


def test_queries_ask_for_what_is_chosen() -> None:
    assert rate(metrics.JOBS, "task", where='outcome="ok"') == (
        'sum by (task) (rate(milepost_jobs_total{instance=~"$instance", outcome="ok"}[$__rate_interval]))'
    )
    assert quantile(0.95, metrics.JOB_SECONDS, "task") == (
        'histogram_quantile(0.95, sum by (task, le) (rate(milepost_job_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))'
    )


def test_lines_are_as_full_as_each_other_and_fill_the_width() -> None:
    large, small = series("a", "A.", Query("up")), number("b", "B.", Query("up"))
    board = Board(uid="u", title="t", description="d", rows=(Row("r", (small, small, *[large] * 5)), Row("s", (large,))))
    places = [panel["gridPos"] for panel in json.loads(as_text(board))["panels"]]
    assert [(place["x"], place["y"], place["w"], place["h"]) for place in places] == [
        *((0, 0, 24, 1), (0, 1, 12, 4), (12, 1, 12, 4)),
        *((0, 5, 12, 8), (12, 5, 12, 8), (0, 13, 8, 8), (8, 13, 8, 8), (16, 13, 8, 8)),
        *((0, 21, 24, 1), (0, 22, 24, 8)),
    ]


def test_grafana_finds_its_source_and_the_dashboards() -> None:
    provisioning = ROOT / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    scraped = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped
    [provider] = yaml.safe_load((provisioning / "dashboards" / "milepost.yml").read_text())["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
