"""A deploy at noon: processes are replaced one after the other while people wait for answers."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Event, Visitor, events_of, text_of

WORDS: Final = "one two three four five six seven eight nine ten"
_AGAIN: Final = {httpx.codes.SERVICE_UNAVAILABLE}


class Client:
    """Asks at one server or the other, as a load balancer would send it, and reads on wherever it is let in."""

    def __init__(self, visitors: list[Visitor]) -> None:
        self._visitors = visitors

    async def answer(self, session: str, message: str) -> list[Event]:
        key, run, read = {"Idempotency-Key": uuid4().hex}, "", list[Event]()
        turn = 0
        while not read or read[-1].type != "end":
            turn += 1
            http = self._visitors[turn % len(self._visitors)].http
            try:
                asked = (
                    http.stream("GET", f"/runs/{run}/stream", headers={"Last-Event-ID": str(read[-1].id if read else 0)})
                    if run
                    else http.stream("POST", f"/sessions/{session}/chat/stream", json={"message": message}, headers=key)
                )
                async with asked as response:
                    if response.status_code in _AGAIN:
                        continue
                    assert response.status_code == httpx.codes.OK, (await response.aread()).decode()
                    run = response.headers["x-run-id"]
                    async for event in events_of(response):
                        read.append(event)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
        return read


async def test_a_rolling_restart_under_load_loses_no_answer(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.1, times=200))
    visitors = [await door.enter(first), await door.enter(second)]
    client = Client(visitors)
    stopped = asyncio.Event()

    sessions = [await visitors[number % 2].open_session() for number in range(8)]

    async def keep_asking(session: str) -> list[tuple[str, list[str]]]:
        said = list[str]()
        while not stopped.is_set():
            said.append(text_of(await client.answer(session, f"Message {len(said)}")))
        return [(session, said)]

    async def deploy() -> None:
        for server in (first, second):
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait) in (0, -signal.SIGTERM), server.output()
            await server.start()
        stopped.set()

    results = await asyncio.gather(*map(keep_asking, sessions), deploy())
    conversations = [conversation for found in results[:-1] for conversation in found or ()]
    assert len(conversations) == 8
    afterwards = await door.enter(first)  # the others' connections are to processes that are gone
    for session, said in conversations:
        assert said == [WORDS] * len(said)
        transcript = await afterwards.messages(session)
        assert [message["content"] for message in transcript if message["role"] == "assistant"] == said
        assert [message["status"] for message in transcript] == ["completed"] * 2 * len(said)


async def test_a_draining_server_says_so_and_lets_answers_end(
    door: Door, process_variables: Mapping[str, str], tmp_path: Path, provider: ProviderStub
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.2))
    async with ServerProcess({**process_variables, "DRAIN_SECONDS": "30"}, tmp_path / "draining.log") as server:
        ada = await door.enter(server)
        session, other = await ada.open_session(), await ada.open_session()
        async with ada.streaming(session, "Count to ten") as events:
            read = [await anext(events) for _ in range(3)]
            server.signal(signal.SIGTERM)
            async with httpx.AsyncClient(base_url=server.url) as prober, asyncio.timeout(10):
                while (ready := await prober.get("/health/ready")).status_code == httpx.codes.OK:  # noqa: ASYNC110  # until the signal is heard
                    await asyncio.sleep(0.01)
                live = await prober.get("/health/live")
            refused = await ada.ask(other, "Hello?")
            read += [event async for event in events]
        assert server.wait() == -signal.SIGTERM  # as uvicorn ends: it raises the signal again when all is closed
    assert ready.json()["dependencies"]["server"]["status"] == "failing"
    assert live.status_code == httpx.codes.OK
    assert (refused.status_code, refused.json()["code"]) == (503, "server_stopping")
    assert (text_of(read), read[-1].data["status"]) == (WORDS, "completed")


async def test_a_server_with_nothing_to_end_stays_until_a_proxy_has_seen_that_it_stops(
    door: Door, process_variables: Mapping[str, str], tmp_path: Path
) -> None:
    async with ServerProcess({**process_variables, "STOP_NOTICE_SECONDS": "30"}, tmp_path / "noticed.log") as server:
        ada = await door.enter(server)
        session = await ada.open_session()
        server.signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            while (ready := await ada.http.get(f"{server.url}/health/ready")).status_code == httpx.codes.OK:  # noqa: ASYNC110  # until the signal is heard
                await asyncio.sleep(0.01)
        refused = await ada.ask(session, "Hello?")
        server.signal(signal.SIGTERM)  # once more is at once
        assert await asyncio.to_thread(server.wait) == -signal.SIGTERM, server.output()
    assert ready.json()["dependencies"]["server"]["status"] == "failing"
    assert (refused.status_code, refused.json()["code"]) == (503, "server_stopping")


async def test_who_reads_another_servers_run_is_not_cut_off_before_a_proxy_would_send_them_elsewhere(
    door: Door, first: ServerProcess, provider: ProviderStub, process_variables: Mapping[str, str], tmp_path: Path
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.2))
    async with ServerProcess({**process_variables, "STOP_NOTICE_SECONDS": "30"}, tmp_path / "noticed.log") as second:
        there, here = await door.enter(first), await door.enter(second)
        async with there.streaming(await there.open_session(), "Count to ten") as events:
            run = (await anext(events)).data["run_id"]
            reading = asyncio.create_task(here.read_on(run))
            second.signal(signal.SIGTERM)
            async with httpx.AsyncClient(base_url=second.url) as prober, asyncio.timeout(10):
                while (await prober.get("/health/ready")).status_code == httpx.codes.OK:  # noqa: ASYNC110  # until the signal is heard
                    await asyncio.sleep(0.01)
            read = [await reading, await here.read_on(run)]
    assert [(text_of(one), one[-1].data["status"]) for one in read] == [(WORDS, "completed")] * 2


async def test_a_question_is_still_open_after_its_server_was_killed(door: Door, first: ServerProcess, provider: ProviderStub) -> None:
    asks = ToolCalls([ToolCall("calculate", {"expression": "6*7"}), ToolCall("rename_session", {"name": "Oslo"})])
    await provider.script(asks, Text("Done."))
    ada = await door.enter(first)
    session = await ada.open_session()
    asked = (await ada.ask(session, "Rename it")).json()["interrupts"]
    first.kill()
    await first.start()
    state = (await ada.http.get(f"/sessions/{session}/state")).json()
    assert [question["id"] for question in state["interrupts"]] == [asked[0]["id"]]
    assert set(state["next"]) == {"tools"}
    reply = {"interrupt_id": asked[0]["id"], "value": {"approved": True}}
    answer = (await ada.http.post(f"/sessions/{session}/resume", json=reply)).json()
    assert (answer["message"]["content"], answer["status"]) == ("Done.", "completed")
    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] == "Oslo"


async def waiting(door: Door, server: ServerProcess, provider: ProviderStub) -> tuple[Visitor, str, dict[str, Any]]:
    """Ada, her session, and a run in it that waits for a worker."""
    await provider.script(Text(WORDS, seconds_between=0.3, times=2))
    ada = await door.enter(server)
    session = await ada.open_session()
    run = (await ada.http.post(f"/sessions/{session}/runs", json={"message": "Count to ten"})).json()
    assert run["status"] == "queued"
    return ada, session, run


async def test_a_worker_that_is_killed_leaves_its_run_to_others(
    door: Door, first: ServerProcess, process_variables: Mapping[str, str], tmp_path: Path, provider: ProviderStub
) -> None:
    ada, session, run = await waiting(door, first, provider)
    async with ServerProcess(process_variables, tmp_path / "worker.log", command="worker") as worker:
        await provider.wait_until_asked(containing="Count to ten", seconds=30)  # a process begins
        worker.kill()
        events = await ada.read_on(run["id"])
    assert text_of(events) == WORDS
    assert [message["content"] for message in await ada.messages(session)] == ["Count to ten", WORDS]


async def test_a_worker_that_is_told_to_stop_hands_its_run_over(
    door: Door, first: ServerProcess, process_variables: Mapping[str, str], tmp_path: Path, provider: ProviderStub
) -> None:
    ada, _, run = await waiting(door, first, provider)
    variables = {**process_variables, "DRAIN_SECONDS": "0.5", "LEASE_SECONDS": "30"}
    async with ServerProcess(variables, tmp_path / "worker.log", command="worker") as worker:
        await provider.wait_until_asked(containing="Count to ten", seconds=30)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0, worker.output()
    assert text_of(await ada.read_on(run["id"])) == WORDS
