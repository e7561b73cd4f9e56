"""A real Prometheus that asks a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Server
from tests.mcp_process import mcp_file, program
from tests.prometheus.exporter import exporting
from tests.prometheus.process import PrometheusProcess

TOKEN: Final = "Zq8-metrics-3nV6xP1wK9rT4yB7mL2cD5fG0h"


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], two_providers: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """All that there are metrics of: two models, a server of tools, a budget, and a server that does the background work too."""
    return {
        **variables_of_test,
        **two_providers,
        "COST_BUDGET_USD_PER_HOUR": "1",
        "MCP_FILE": str(mcp_file(tmp_path, program(all=True))),
        "METRICS_SAMPLE_SECONDS": "1",
        "METRICS_TOKEN": TOKEN,
        "REFRESH_GRACE_SECONDS": "0",
        "WORKER_IN_SERVER": "true",
    }


@pytest.fixture
def prometheus(server: Server, tmp_path: Path) -> Iterator[PrometheusProcess]:
    with exporting("pg_up 1\n") as postgres:
        targets = {"milepost": server.url.removeprefix("http://"), "postgres": postgres}
        with PrometheusProcess(tmp_path, targets, token=TOKEN) as prometheus:
            yield prometheus
