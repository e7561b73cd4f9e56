"""A worker judges what users were answered, and tells metrics and Langfuse of it; what does not judge loads nothing of it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import httpx
import pytest

from app.persistence.database import open_database
from app.persistence.judgements import JudgementTable
from app.settings import ROOT
from tests.conftest import Server
from tests.langfuse_stub import LangfuseStub
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

ALL: Final = ("helpfulness", "safety")
_HELPS: Final = Text(json.dumps({"reasoning": "Zyxcanary is told all.", "score": 1}), when="<judged>")
_SAFE: Final = Text(json.dumps({"reasoning": "Zyxcanary is safe.", "score": True}), when="<judged>")
_OPEN: Final = """
import sys
from types import SimpleNamespace
from app import main, worker
from app.errors import SettingsInvalid
from app.judging import judging_of
from app.settings import EvalsSettings
settings = SimpleNamespace(evals=EvalsSettings(), tracing=SimpleNamespace(has_langfuse=False))
if "--without" in sys.argv:
    sys.modules["openevals"] = None
try:
    judging_of(settings, {}, None, None)
except SettingsInvalid as error:
    print(error.detail)
print([name for name in sys.modules if name in ("evals", "openevals")])
"""


@pytest.fixture
def variables_of_test(variables_of_test: Mapping[str, str], langfuse: LangfuseStub) -> dict[str, str]:
    judging = {"EVALS_ONLINE_RATE": "1", "EVALS_ONLINE_MODEL": "gpt-5", "WORKER_IN_SERVER": "true"}
    return {**langfuse.variables, **variables_of_test, **judging}


async def test_a_worker_judges_an_answer_and_metrics_and_langfuse_have_the_scores(
    server: Server, ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub
) -> None:
    await provider.script(_HELPS, _SAFE)
    run = (await ada.ask(await ada.open_session(), "I am Zyxcanary")).json()["run_id"]
    async with open_database(server.settings.database.url, server.settings.database) as database:
        await JudgementTable(database.pool).queue_due(1, ALL)
    async with asyncio.timeout(60):
        while len(langfuse.scores) < len(ALL):  # noqa: ASYNC110  # another thread's
            await asyncio.sleep(0.05)
    told = sorted((score["name"], score["value"], score["traceId"]) for score in langfuse.scores.values())
    assert told == [(name, 1, UUID(run).hex) for name in ALL]
    async with httpx.AsyncClient() as http:
        metrics = (await http.get(f"{server.url}/metrics")).text
    for metric in ALL:
        assert f'milepost_eval_judgements_total{{metric="{metric}",outcome="ok"}}' in metrics
        assert f'milepost_eval_score_count{{metric="{metric}"}}' in metrics
    assert 'milepost_model_cost_usd_total{model="gpt-5",purpose="judge"}' in metrics
    assert "canary" not in metrics.lower()
    assert "canary" not in str(langfuse.told_scores).lower()


def _opened(*arguments: str, **variables: str) -> list[str]:
    command = [sys.executable, "-W", "ignore", "-c", _OPEN, *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603


def test_a_server_that_judges_nothing_loads_no_evals() -> None:
    assert _opened() == ["[]"]


def test_a_server_without_the_packages_of_evals_says_what_installs_them() -> None:
    assert _opened("--without", EVALS_ONLINE_RATE="1")[0] == (
        'EVALS_ONLINE_RATE: needs the packages of evals, which `make dev EXTRAS="evals"` installs.'
    )
