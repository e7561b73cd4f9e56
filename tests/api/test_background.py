"""Work in the background: runs that a worker makes, and names for sessions."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest

from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of, types_of

_works = pytest.mark.variables(WORKER_IN_SERVER="true")


async def _until_named(visitor: Visitor, session: str) -> dict[str, Any]:
    async with asyncio.timeout(15):
        while True:
            found: dict[str, Any] = (await visitor.http.get(f"/sessions/{session}")).json()
            if found["name_is_final"]:
                return found
            await asyncio.sleep(0.05)


@_works
async def test_a_run_is_made_in_the_background_and_read_like_any_other(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", when="Count"))
    session = await ada.open_session()
    accepted = await ada.http.post(f"/sessions/{session}/runs", json={"message": "Count"}, headers={"Idempotency-Key": "b"})
    assert accepted.status_code == httpx.codes.ACCEPTED
    run = accepted.json()
    assert (run["attempt"], run["finished_at"]) == (1, None)
    events = await ada.read_on(run["id"])
    assert types_of(events) == ["start", "token", "usage", "end"]
    assert text_of(events) == "one two three"
    again = await ada.http.post(f"/sessions/{session}/runs", json={"message": "Count"}, headers={"Idempotency-Key": "b"})
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (202, run["id"], "completed")
    done = again.json()
    assert done["created_at"] <= done["started_at"] <= done["first_token_at"] <= done["finished_at"]
    assert [message["content"] for message in await ada.messages(session)] == ["Count", "one two three"]


async def test_a_run_that_waits_for_a_worker_has_the_turn_and_can_be_stopped(ada: Visitor) -> None:
    session = await ada.open_session()
    run = (await ada.http.post(f"/sessions/{session}/runs", json={"message": "Count"})).json()
    assert run["status"] == "queued"
    busy = await ada.ask(session, "Hello?")
    assert (busy.json()["code"], busy.json()["active_run_id"]) == ("session_busy", run["id"])
    await ada.http.post(f"/runs/{run['id']}/cancel")
    assert [(event.type, event.data["status"]) for event in await ada.read_on(run["id"])] == [("end", "cancelled")]
    assert (await ada.ask(session, "Hello?")).json()["status"] == "completed"


@_works
async def test_runs_in_the_background_wait_for_each_other(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one", seconds_between=0.3, when="1"), Text("two", when="2"), Text("three", when="3"))
    session = await ada.open_session()
    path = f"/sessions/{session}/runs"
    runs = [(await ada.http.post(path, json={"message": message, "on_busy": "enqueue"})).json() for message in "123"]
    for run, words in zip(runs, ("one", "two", "three"), strict=True):
        assert text_of(await ada.read_on(run["id"])) == words
    assert [message["content"] for message in await ada.messages(session)] == ["1", "one", "2", "two", "3", "three"]


@_works
async def test_a_model_names_a_session_after_its_first_answer(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(Text("Oslo is lovely."), Text('"A trip to Oslo"'))
    session = await ada.open_session("")
    assert (await ada.http.get(f"/sessions/{session}")).json()["name_is_final"] is False
    await ada.ask(session, "Tell me about Oslo, please, and at length")
    assert (await _until_named(ada, session))["name"] == "A trip to Oslo"
    naming = (await provider.requests())[-1]
    assert "Oslo is lovely." in str(naming.messages)
    assert "tools" not in naming.body
    with psycopg.connect(database_url) as connection:
        calls = connection.execute("SELECT purpose, run_id IS NULL, session_id::text FROM model_call ORDER BY created_at").fetchall()
    assert calls == [("answer", False, session), ("naming", True, session)]
    assert (await ada.http.get("/usage")).json()["total"]["calls"] == 2


@pytest.mark.variables(WORKER_IN_SERVER="true", RESPONSE_CACHE="true")
async def test_an_answer_that_is_told_again_has_the_name_that_was_made_of_it(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Oslo is lovely."), Text("A trip to Oslo"))
    for _ in range(2):
        session = await ada.open_session("")
        await ada.ask(session, "Tell me about Oslo", cache=True)
        assert (await _until_named(ada, session))["name"] == "A trip to Oslo"
    assert len(await provider.requests()) == 2, "for the first session"
    total = (await ada.http.get("/usage")).json()["total"]
    assert (total["calls"], total["from_cache_calls"]) == (4, 2)
    session = await ada.open_session("")
    await ada.ask(session, "Tell me about Oslo")
    await _until_named(ada, session)
    assert len(await provider.requests()) == 4, "who does not ask for the cache has a name of their own, too"


@_works
async def test_the_first_words_stay_when_no_model_gives_a_name(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Oslo is lovely."), HttpError(500, times=3))
    session = await ada.open_session("")
    await ada.ask(session, "Tell me about Oslo")
    assert (await _until_named(ada, session))["name"] == "Tell me about Oslo"


@_works
async def test_a_name_that_its_user_gave_is_left_alone(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Oslo is lovely."))
    session = await ada.open_session("")
    await ada.http.patch(f"/sessions/{session}", json={"name": "Mine"})
    await ada.ask(session, "Tell me about Oslo")
    assert (await ada.http.get(f"/sessions/{session}")).json() | {"updated_at": ""} == {
        **(await _until_named(ada, session)),
        "name": "Mine",
        "updated_at": "",
    }
    assert len(await provider.requests()) == 1


@_works
async def test_a_session_whose_first_answer_follows_a_question_is_named_too(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("rename_session", {"name": "Oslo"})]), Text("As you wish."), Text("A refusal"))
    session = await ada.open_session("")
    (question,) = (await ada.ask(session, "Rename it")).json()["interrupts"]
    reply = {"interrupt_id": question["id"], "value": {"approved": False}}
    await ada.http.post(f"/sessions/{session}/resume", json=reply)
    assert (await _until_named(ada, session))["name"] == "A refusal"
    assert "Rename it" in str((await provider.requests())[-1].messages)
