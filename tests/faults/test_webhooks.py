"""Deliveries beside processes that die: each is made by one of several workers, and by another when that is killed in it."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.receiver import Receiver, start_receiver
from tests.visitor import Visitor

RUNS = 20


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with start_receiver() as receiver:
        yield receiver


@pytest.fixture
def process_variables(process_variables: Mapping[str, str]) -> dict[str, str]:
    more = {"WEB_ALLOW_PRIVATE": "true", "WEBHOOK_SECONDS": "3", "WEBHOOK_RETRY_SECONDS": "0.2,0.2", "LOG_LEVEL": "debug"}
    return {**process_variables, **more}


async def _made(ada: Visitor, receiver: Receiver) -> dict[str, Any]:
    made: dict[str, Any] = (await ada.http.post("/webhooks", json={"url": f"{receiver.url}/canary-4711-path"})).json()
    return made


async def _until_delivered(ada: Visitor, webhook: str, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        while True:
            found: list[dict[str, Any]] = (await ada.http.get(f"/webhooks/{webhook}/deliveries?limit=100")).json()["items"]
            if sum(one["status"] == "delivered" for one in found) == count:
                return found
            await asyncio.sleep(0.1)


async def test_two_workers_deliver_each_end_once_and_log_nothing_secret(
    door: Door, first: ServerProcess, process_variables: Mapping[str, str], receiver: Receiver, tmp_path: Path
) -> None:
    workers = [ServerProcess(process_variables, tmp_path / f"worker-{number}.log", "worker") for number in range(2)]
    async with workers[0], workers[1]:
        ada = await door.enter(first)
        made = await _made(ada, receiver)
        receiver.manners = [500] * 3
        session = await ada.open_session()
        for _ in range(RUNS):
            assert (await ada.ask(session, "Canary question")).is_success
        found = await _until_delivered(ada, made["id"], RUNS)
        # Each try was heard, and none that is not in the log.
        assert Counter(one.id for one in receiver.heard) == {one["id"]: one["attempt"] for one in found}
        assert sum(one["attempt"] for one in found) == RUNS + 3
        logs = first.output() + "".join(worker.output() for worker in workers)
    assert "delivery_failed" in logs
    shown = (made["secret"], made["secret"].removeprefix("whsec_"), "canary-4711-path", "Canary question", "v1,")
    assert not [word for word in shown if word in logs]


async def test_a_worker_that_is_killed_in_a_delivery_has_it_made_again_under_the_same_id(
    door: Door, first: ServerProcess, process_variables: Mapping[str, str], receiver: Receiver, tmp_path: Path
) -> None:
    ada = await door.enter(first)
    made = await _made(ada, receiver)
    receiver.manners = ["hang"]
    async with ServerProcess(process_variables, tmp_path / "killed.log", "worker") as killed:
        run = (await ada.ask(await ada.open_session(), "Hello")).json()["run_id"]
        [lost] = await receiver.until_heard(1)
        killed.kill()
    async with ServerProcess(process_variables, tmp_path / "next.log", "worker"):
        [delivery] = await _until_delivered(ada, made["id"], 1)
    assert [one.id for one in receiver.heard] == [delivery["id"], delivery["id"]]
    assert (delivery["run_id"], delivery["attempt"], lost.body) == (run, 2, receiver.heard[1].body)
