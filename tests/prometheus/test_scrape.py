"""What rules and runbooks ask of Prometheus is there, on a real one that asks a real server."""

import re
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.conftest import Server
from tests.prometheus.load import judge, some_of_everything
from tests.prometheus.process import PrometheusProcess
from tests.prometheus.promql import operands, selectors
from tests.prometheus.rules import ALERTS, RECORDED, RULES
from tests.prometheus.test_runbooks import RUNBOOKS, queries
from tests.stub.client import ProviderStub

_YESTERDAY: Final = re.compile(r" offset \d+d")
_NUMBER: Final = re.compile(r"[\d.e* ]+")


def _asked() -> list[str]:
    """What is recorded as it is; of conditions what they compare, for as a rule none of them holds; yesterday is left out."""
    conditions = [*(alert.expr for alert in ALERTS), *(query for path in RUNBOOKS for query in queries(path))]
    compared = [operand for condition in conditions for operand in operands(condition) if not _NUMBER.fullmatch(operand)]
    return [*(rule.expr for rule in RECORDED.values()), *RECORDED, *(_YESTERDAY.sub("", operand) for operand in compared)]


@pytest.mark.prometheus
async def test_what_rules_and_runbooks_ask_for_is_there(
    server: Server, prometheus: PrometheusProcess, provider: ProviderStub, second_provider: ProviderStub
) -> None:
    # Asked first: what is counted before the first scrape is no rate, nor is what is first seen with all that it ever has.
    await _visit(server.url)
    judge()
    assert (
        await prometheus.until_found(["milepost_runs_finished_total", 'http_server_request_duration_seconds_count{http_route="/docs"}'])
        == []
    )
    await _visit(server.url)
    judge()
    await some_of_everything(server.url, provider, second_provider)
    asked = _asked()
    assert await prometheus.until_found(asked) == []
    series = [selector for expression in asked for selector in selectors(expression)]
    assert await prometheus.until_found(series, seconds=10) == []
    rules = await prometheus.rules()
    assert {rule["name"] for rule in rules} == {rule.name for rule in RULES}
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
    firing = {sample.labels["alertname"] for sample in await prometheus.query('ALERTS{alertstate="firing"}')}
    assert "DeadMansSwitch" in firing
    assert firing <= {"DeadMansSwitch", "AttemptsExhausted", "RefreshTokenReused"}


async def _visit(url: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/docs")).is_success


@pytest.mark.prometheus
async def test_a_scrape_with_another_token_counts_as_down(server: Server, tmp_path: Path) -> None:
    with PrometheusProcess(tmp_path, {"milepost": server.url.removeprefix("http://")}, token="another") as prometheus:
        assert await prometheus.until_found(['up{job="milepost"} == 0']) == []
