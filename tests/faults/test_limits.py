"""Limits over two servers: what one has counted the other knows, and quotas hold through kill -9."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.valkey_process import ValkeyProcess
from tests.visitor import Visitor

CAPACITY: Final = 100
# Nothing comes back to this bucket while the test lasts.
FROZEN: Final = {"name": "free", "requests_per_second": 0.001, "burst": CAPACITY}
LIMITED: Final = {"name": "free", "requests_per_second": 1_000, "burst": 10_000, "tokens_per_day": 1_000_000, "concurrent_runs": 2}
_AT_ONCE: Final = 100


@pytest.fixture
def process_variables(
    process_variables: Mapping[str, str], valkey: ValkeyProcess, tmp_path: Path, request: pytest.FixtureRequest
) -> dict[str, str]:
    marked = request.node.get_closest_marker("tiers")
    (tmp_path / "tiers.yaml").write_text(json.dumps({"tiers": marked.args}))
    return {**process_variables, "REDIS_URL": valkey.url, "TIERS_FILE": str(tmp_path / "tiers.yaml")}


async def _statuses(visitor: Visitor, count: int) -> list[int]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def one() -> int:
        async with room:
            return (await visitor.http.get("/auth/me")).status_code

    return await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.tiers(FROZEN)
async def test_a_thousand_requests_to_two_servers_pass_exactly_the_capacity(
    door: Door, first: ServerProcess, second: ServerProcess, valkey: ValkeyProcess
) -> None:
    here, there = await door.enter(first), await door.enter(second)
    statuses = [*(await asyncio.gather(_statuses(here, 500), _statuses(there, 500)))]
    assert sorted({*statuses[0], *statuses[1]}) == [200, 429]
    assert sum(part.count(200) for part in statuses) == CAPACITY

    # Without Redis each counts for itself: who was refused may go on, and nobody sees an error.
    valkey.kill()
    alone = await _statuses(here, 20)
    assert {*alone} == {200}
    assert first.output().count('"limits_without_redis"') == 1
    assert "Traceback" not in first.output() + second.output()


@pytest.mark.tiers(FROZEN)
@pytest.mark.variables(RATE_LIMIT_FAIL_CLOSED="true")
async def test_where_nothing_shall_pass_uncounted_nothing_does_while_redis_is_away(
    door: Door, first: ServerProcess, valkey: ValkeyProcess
) -> None:
    ada = await door.enter(first)
    valkey.kill()
    refused = await ada.http.get("/auth/me")
    assert (refused.status_code, refused.json()["code"]) == (503, "limits_unavailable")
    assert (await ada.http.get(f"{first.url}/health/live")).status_code == httpx.codes.OK
    valkey.start()
    async with asyncio.timeout(20):
        while (await ada.http.get("/auth/me")).status_code != httpx.codes.OK:  # noqa: ASYNC110  # in another process
            await asyncio.sleep(0.1)


@pytest.mark.tiers(LIMITED)
async def test_what_a_killed_server_had_set_aside_is_counted_once_and_given_back(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text("one two three four five", seconds_between=0.5, times=2), Text("Done.", times=4))
    ada = await door.enter(first)
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        run = (await anext(events)).data["run_id"]
        assert (await anext(events)).type == "token"
        held = await _quota(ada)
        assert (held["runs"]["used"], held["tokens"]["reserved"] > 0) == (1, True)
        first.kill()
    elsewhere = await door.enter(second)
    assert (await elsewhere.read_on(run))[-1].data["status"] == "completed"
    quota = await _quota(elsewhere)
    assert (quota["runs"]["used"], quota["tokens"]["reserved"]) == (0, 0)
    with psycopg.connect(database_url) as connection:
        row: Any = connection.execute("SELECT sum(input_tokens + output_tokens) FROM model_call").fetchone()
    assert quota["tokens"]["used"] == row[0] > 0


async def _quota(visitor: Visitor) -> dict[str, Any]:
    answer = await visitor.http.get("/quota")
    assert answer.status_code == httpx.codes.OK, answer.text
    quota: dict[str, Any] = answer.json()
    return quota
