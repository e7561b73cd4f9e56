"""`python -m tests.grafana`: make the pictures of docs/operations.md, of a server that is kept busy while a real Prometheus looks."""

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from app.persistence import migrate
from app.persistence.embedded import embedded_postgres
from app.settings import ROOT, load_settings
from grafana.pictures.__main__ import draw_all
from grafana.pictures.asking import Span
from tests.conftest import serving
from tests.grafana.exporters import exporters
from tests.grafana.load import NOWHERE, VARIABLES, Day
from tests.mcp_process import mcp_file
from tests.prometheus.load import judge
from tests.prometheus.process import PrometheusProcess
from tests.stub.client import ProviderStub, start_stub

_SCRAPE_SECONDS: Final = 1
_MINUTE: Final = 60
_PAUSE_SECONDS: Final = 5
_IMAGES: Final = ROOT / "docs" / "images"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.grafana", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="how long the server is kept busy (20)")
    parser.add_argument("--output", type=Path, default=_IMAGES)
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder, _running(Path(folder)) as (day, address):
        began = time.time()
        asyncio.run(_keep_busy(day, began + chosen.minutes * _MINUTE))
        draw_all(f"http://{address}", Span(begin=began, end=time.time(), scrape_seconds=_SCRAPE_SECONDS), chosen.output)


@contextmanager
def _running(folder: Path) -> Iterator[tuple[Day, str]]:
    with ExitStack() as stack:
        first, second = stack.enter_context(start_stub()), stack.enter_context(start_stub())
        database = stack.enter_context(embedded_postgres(folder / "postgres", durable=False))
        migrate.up(database)
        os.environ.update(_variables(folder, database, first, second))
        url = stack.enter_context(serving(load_settings(folder)))
        others = stack.enter_context(exporters())
        targets = {"milepost": url.removeprefix("http://"), **others}
        prometheus = stack.enter_context(PrometheusProcess(folder, targets))
        yield Day(url, first, second), prometheus.address


def _variables(folder: Path, database: str, first: ProviderStub, second: ProviderStub) -> dict[str, str]:
    prices = {"input": 1.25, "cached_input": 0.125, "output": 10}
    models = [{"name": "first", "base_url": first.url, "prices": prices}, {"name": "second", "base_url": second.url}]
    (folder / "models.yaml").write_text(json.dumps({"models": models}))  # JSON is YAML
    return {
        **VARIABLES,
        "APP_ENV": "test",
        "DATABASE_URL": database,
        "DATA_DIR": str(folder / "data"),
        "MODELS_FILE": str(folder / "models.yaml"),
        "MCP_FILE": str(mcp_file(folder, NOWHERE)),
        "DEFAULT_LLM_MODEL": "first",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": first.url,
        "LOG_LEVEL": "error",
        "COST_BUDGET_USD_PER_HOUR": "0.5",
    }


async def _keep_busy(day: Day, until: float) -> None:
    """People talk all the time; now and then everything happens."""
    for turn in count():
        if time.time() > until:
            return
        await day.is_ordinary(random.randrange(1, 4))  # noqa: S311  # nothing is secret here
        judge()
        if turn % 6 == 1:
            await day.happens()
        await asyncio.sleep(random.random() * _PAUSE_SECONDS)  # noqa: S311


if __name__ == "__main__":
    main()
