"""A database that goes away is told in our words, and is no reason to start the server anew."""

import asyncio

import httpx
import pytest

from tests.conftest import Server
from tests.gone import gone
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of, types_of

pytestmark = pytest.mark.variables(DATABASE_CONNECT_SECONDS="0.5")


async def test_without_a_database_every_answer_is_a_problem_until_it_is_back(ada: Visitor, server: Server, database_url: str) -> None:
    session = await ada.open_session()
    path = f"/sessions/{session}/chat"
    with gone(database_url):
        refused = [
            await ada.http.get("/auth/me"),
            await ada.http.get("/sessions"),
            await ada.http.post(path, json={"message": "Hello"}),
            await ada.http.post(f"{path}/stream", json={"message": "Hello"}),
            await ada.http.post("/auth/login", data={"username": "ada@example.com", "password": "x"}),
        ]
        async with httpx.AsyncClient(base_url=server.url) as prober:
            live, ready = await prober.get("/health/live"), await prober.get("/health/ready")
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(503, "database_unavailable")}
    assert {answer.json()["detail"] for answer in refused} == {"The database is not answering."}
    assert (live.status_code, ready.status_code) == (200, 503)
    assert ready.json()["dependencies"]["database"] == {"status": "failing", "detail": "The database is not answering."}
    async with asyncio.timeout(15):
        # Found again within seconds, not at once: the pool looks less and less often.
        while (answer := await ada.ask(session, "Hello")).status_code == httpx.codes.SERVICE_UNAVAILABLE:  # noqa: ASYNC110  # the pool has no event for it
            await asyncio.sleep(0.1)
    assert answer.status_code == httpx.codes.OK


async def test_a_database_that_goes_in_mid_answer_and_comes_back_is_not_noticed(
    ada: Visitor, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text("one two three", seconds_between=0.3))
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        read = [await anext(events) for _ in range(2)]
        with gone(database_url):
            read += [await anext(events) for _ in range(2)]
        read += [event async for event in events]
    assert types_of(read) == ["start", "token", "usage", "end"]
    assert (text_of(read), read[-1].data["status"]) == ("one two three", "completed")
    assert (await ada.messages(session))[-1]["content"] == "one two three"


@pytest.mark.variables(DATABASE_CONNECT_SECONDS="0.5", LEASE_SECONDS="1", HEARTBEAT_SECONDS="0.5")
async def test_a_database_that_stays_away_ends_the_stream_without_an_end_and_reading_on_says_why(
    ada: Visitor, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text("one two three", seconds_between=0.3), Text("one two three"))
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        read = [await anext(events) for _ in range(2)]
        run = read[0].data["run_id"]
        with gone(database_url):
            read += [event async for event in events]
            refused = await ada.http.get(f"/runs/{run}/stream")
    assert "end" not in types_of(read)
    assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
    async with asyncio.timeout(10):
        while (await ada.http.get("/auth/me")).is_error:  # noqa: ASYNC110  # the pool looks for the database now and then
            await asyncio.sleep(0.05)
    assert text_of(await ada.read_on(run, after=read[-1].id)) == "one two three"  # told anew by the next attempt


@pytest.mark.variables(DATABASE_CONNECT_SECONDS="0.5", WORKER_IN_SERVER="true")
async def test_background_work_goes_on_when_the_database_is_back(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(Text("one two three", when="Count"))
    session = await ada.open_session()
    with gone(database_url):
        assert (await ada.http.get("/auth/me")).status_code == httpx.codes.SERVICE_UNAVAILABLE
    path, ask = f"/sessions/{session}/runs", {"message": "Count"}
    async with asyncio.timeout(15):
        while (begun := await ada.http.post(path, json=ask)).status_code == httpx.codes.SERVICE_UNAVAILABLE:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.1)
    assert text_of(await ada.read_on(begun.json()["id"])) == "one two three"
