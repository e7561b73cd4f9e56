"""Judging beside processes that die: a verdict that was written is asked for no more, and one that was not is once."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from app.persistence.database import Database, fetch_all, open_database
from app.persistence.judgements import JudgementTable
from app.settings import Settings
from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Hang, Text
from tests.stub.client import ProviderStub


@pytest.fixture
def process_variables(process_variables: Mapping[str, str]) -> dict[str, str]:
    judging = {"EVALS_ONLINE_RATE": "1", "EVALS_ONLINE_MODEL": "gpt-5"}
    return {**process_variables, **judging, "WORKER_IN_SERVER": "true"}


def _verdict(score: float | bool) -> Text:
    return Text(json.dumps({"reasoning": "Good.", "score": score}), when="<judged>")


async def _asked(provider: ProviderStub) -> int:
    return sum("<judged>" in str(request.messages) for request in await provider.requests())


async def _judged(database: Database) -> list[dict[str, Any]]:
    return await fetch_all(database.pool, "SELECT metric, value FROM judgement ORDER BY metric", {})


async def test_a_worker_that_is_killed_in_the_middle_is_followed_by_one_that_asks_for_the_rest(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub, settings: Settings
) -> None:
    ada = await door.enter(first)
    await provider.script(_verdict(1), Hang(when="<judged>"), _verdict(True))
    await ada.ask(await ada.open_session(), "Hello")
    second.kill()
    async with open_database(settings.database.url, settings.database) as database:
        await JudgementTable(database.pool).queue_due(1, ["helpfulness", "safety"])
        async with asyncio.timeout(30):
            while await _asked(provider) < 2:  # noqa: ASYNC110  # another process's
                await asyncio.sleep(0.05)
        assert await _judged(database) == [{"metric": "helpfulness", "value": 1}]
        first.kill()
        await second.start()
        async with asyncio.timeout(110):  # a worker counts as dead after half a minute, and is looked for every half
            while len(await _judged(database)) < 2:  # noqa: ASYNC110  # another process's
                await asyncio.sleep(0.2)
        assert await _judged(database) == [{"metric": "helpfulness", "value": 1}, {"metric": "safety", "value": 1}]
    assert await _asked(provider) == 3
