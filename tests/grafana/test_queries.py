"""Every panel, asked of a real Prometheus that scrapes a real server on which everything has happened."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from grafana.boards.listing import FOLDER
from grafana.pictures.asking import Span, filled, panels
from grafana.pictures.prometheus import Prometheus
from tests.conftest import Server
from tests.grafana.exporters import exporters
from tests.grafana.load import NOWHERE, VARIABLES, Day
from tests.mcp_process import mcp_file
from tests.prometheus.load import judge
from tests.prometheus.process import PrometheusProcess
from tests.stub.client import ProviderStub
from tests.tools import needed

pytestmark = pytest.mark.prometheus

_TOKEN: Final = "a-token-of-thirty-two-bytes-or-more"
# $__rate_interval and $__range as a test has time for; Prometheus scrapes every second there.
_SPAN: Final = Span(begin=0, end=600, scrape_seconds=15)
_PATIENCE_SECONDS: Final = 40
# Panels of how long ago something was last done, on a server where some of it never was.
_AGES: Final = frozenset({"milepost-database: Last backup A", "milepost-runs: Chores, since they were last done well A"})


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], two_providers: dict[str, str], tmp_path: Path) -> Mapping[str, str]:
    more = {"METRICS_TOKEN": _TOKEN, "MCP_FILE": str(mcp_file(tmp_path, NOWHERE))}
    return {**variables_of_test, **two_providers, **VARIABLES, **more}


@pytest.fixture
def prometheus(server: Server, tmp_path: Path) -> Iterator[PrometheusProcess]:
    address = server.url.removeprefix("http://")
    with exporters() as others, PrometheusProcess(tmp_path, {"milepost": address, **others}, token=_TOKEN) as running:
        yield running


def _asked() -> dict[str, str]:
    """Each panel's queries by where they are."""
    dashboards: list[dict[str, Any]] = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return {
        f"{dashboard['uid']}: {panel['title']} {target['refId']}": filled(target["expr"], _SPAN)
        for dashboard in dashboards
        for panel in panels(dashboard)
        for target in panel["targets"]
    }


async def _never_shown(asking: Prometheus, asked: Mapping[str, str]) -> dict[str, str]:
    """Look until each has had a number, not a NaN; return those that have none to the end."""
    missing, deadline = dict(asked), time.monotonic() + _PATIENCE_SECONDS
    while missing and time.monotonic() < deadline:
        missing = {name: query for name, query in missing.items() if not any(one.values for one in asking.at(query, time.time()))}
        await asyncio.sleep(0.5)
    return missing


@pytest.mark.timeout(300)
async def test_every_panel_has_something_to_show(
    server: Server, prometheus: PrometheusProcess, provider: ProviderStub, second_provider: ProviderStub
) -> None:
    judge()
    assert await prometheus.until_found(["milepost_build_info", "milepost_eval_score_count"]) == []
    judge()
    await Day(server.url, provider, second_provider).happens()
    with Prometheus(f"http://{prometheus.address}") as asking:
        assert await _never_shown(asking, _asked()) == {}
        ages = {name: asking.at(query, time.time()) for name, query in _asked().items() if name in _AGES}
    assert ages.keys() == _AGES
    assert max(age for found in ages.values() for one in found for age in one.values) < _SPAN.end, "what has never been is no age"


async def test_marks_of_deploys_and_alerts_are_queries_that_prometheus_takes(tmp_path: Path) -> None:
    with PrometheusProcess(tmp_path, {}) as prometheus:
        boards = [json.loads(path.read_text()) for path in FOLDER.glob("*.json")]
        marks = {mark["target"]["expr"] for board in boards for mark in board["annotations"]["list"]}
        assert len(marks) > 1
        for mark in marks:
            await prometheus.query(mark)  # fails for one that does not parse


def test_a_breaker_that_is_open_at_a_server_is_not_hidden_by_a_worker_that_asks_no_model(tmp_path: Path) -> None:
    [query] = [query for name, query in _asked().items() if "Circuit breakers" in name]
    states = {("a", "open"): 1, ("a", "half_open"): 0, ("b", "open"): 0, ("b", "half_open"): 0, ("c", "open"): 0, ("c", "half_open"): 1}
    series = [
        {"series": f'milepost_breaker_state{{instance="{instance}", model="first", state="{state}"}}', "values": str(value)}
        for (instance, state), value in states.items()
    ]
    expected = [{"labels": '{model="first"}', "value": 2}]
    case = {"input_series": series, "promql_expr_test": [{"expr": query, "eval_time": "0m", "exp_samples": expected}]}
    (tmp_path / "test.yml").write_text(json.dumps({"tests": [case]}))
    tried = subprocess.run([needed("promtool"), "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False)  # noqa: S603  # our own file
    assert tried.returncode == 0, tried.stdout + tried.stderr
