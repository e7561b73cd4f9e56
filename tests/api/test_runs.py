"""A run by its id: read again, sent again, and made to give way."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import httpx
import psycopg

from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

KEY: Final = {"Idempotency-Key": "5f1c"}


async def _bytes(visitor: Visitor, path: str, **place: object) -> bytes:
    answer = await visitor.http.get(path, **place)  # type: ignore[arg-type]  # params or headers
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.content


async def test_a_run_is_read_again_byte_for_byte_from_any_place(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three"))
    session = await ada.open_session()
    first = await ada.http.post(f"/sessions/{session}/chat/stream", json={"message": "Count"})
    path = f"/runs/{first.headers['x-run-id']}/stream"
    assert await _bytes(ada, path) == first.content
    rest = first.content[first.content.index(b"id: 4\n") :]
    assert await _bytes(ada, path, params={"after": 3}) == rest
    assert await _bytes(ada, path, headers={"Last-Event-ID": "3"}) == rest
    assert await _bytes(ada, path, params={"after": 2**62}) == b""


async def test_a_run_tells_how_it_went(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three"))
    answer = (await ada.ask(await ada.open_session(), "Count")).json()
    run = (await ada.http.get(f"/runs/{answer['run_id']}")).json()
    assert (run["status"], run["attempt"], run["model"], run["error_code"]) == ("completed", 1, "stub", None)
    assert run["message_id"] == answer["message"]["id"]
    assert run["input_tokens"] + run["output_tokens"] == answer["tokens_used"]


async def test_a_message_sent_again_under_its_key_is_answered_once(ada: Visitor, provider: ProviderStub) -> None:
    session = await ada.open_session()
    path = f"/sessions/{session}/chat"
    both = await asyncio.gather(*(ada.http.post(path, json={"message": "Hello"}, headers=KEY) for _ in range(2)))
    later = await ada.http.post(path, json={"message": "Hello"}, headers=KEY)
    assert both[0].json() == both[1].json() == later.json()
    assert len(await provider.requests()) == 1
    assert len(await ada.messages(session)) == 2


async def test_a_key_belongs_to_one_message_of_one_user(ada: Visitor, bob: Visitor, provider: ProviderStub) -> None:
    path = f"/sessions/{await ada.open_session()}/chat"
    await ada.http.post(path, json={"message": "Hello"}, headers=KEY)
    other = await ada.http.post(path, json={"message": "Something else"}, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    his = await bob.http.post(f"/sessions/{await bob.open_session()}/chat", json={"message": "Hello"}, headers=KEY)
    assert his.status_code == httpx.codes.OK
    assert len(await provider.requests()) == 2


async def test_a_key_of_somebody_elses_opens_no_way_to_their_answer(ada: Visitor, bob: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Only for Ada.", when="Hello"), Text("one two", ending="hang", after=1, when="Count"))
    await ada.http.post(f"/sessions/{await ada.open_session()}/chat", json={"message": "Hello"}, headers=KEY)
    session = await bob.open_session()
    async with bob.streaming(session, "Count", on_disconnect="cancel") as events:
        await _read_to_a_token(events)
        refused = await bob.http.post(f"/sessions/{session}/chat", json={"message": "Hello"}, headers=KEY)
    assert (refused.status_code, refused.json()["code"]) == (409, "session_busy")


async def test_events_that_are_no_longer_kept_are_gone_and_not_an_empty_stream(ada: Visitor, database_url: str) -> None:
    path = f"/sessions/{await ada.open_session()}/chat"
    run_id = (await ada.http.post(path, json={"message": "Hello"}, headers=KEY)).json()["run_id"]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM run_event")
    for gone in (await ada.http.get(f"/runs/{run_id}/stream"), await ada.http.post(path, json={"message": "Hello"}, headers=KEY)):
        assert (gone.status_code, gone.json()["code"]) == (410, "events_expired")


async def test_a_message_may_make_the_answer_before_it_give_way(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=2, when="Count"), Text("Stopped."))
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        await _read_to_a_token(events)
        refused = await ada.ask(session, "Stop", on_busy="reject")
        taken = await ada.ask(session, "Stop", on_busy="interrupt")
        assert [event.data["status"] async for event in events if event.type == "end"] == ["cancelled"]
    assert (refused.status_code, refused.json()["code"]) == (409, "session_busy")
    assert refused.headers["retry-after"] == str(refused.json()["retry_after"])
    assert taken.json()["message"]["content"] == "Stopped."


async def _read_to_a_token(events: AsyncIterator[object]) -> None:
    async for event in events:
        if getattr(event, "type", "") == "token":
            return
