"""A message that finds its session answering another: refused, queued, or making it give way."""

import asyncio
from typing import Final

import httpx

from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, read_a_token, text_of, types_of

HANGS: Final = Text("one two three", ending="hang", after=2, when="Count")


async def _said(visitor: Visitor, session: str) -> list[str]:
    return [message["content"] for message in await visitor.messages(session)]


async def test_fifty_messages_at_once_start_exactly_one_run(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=1, times=50))
    session = await ada.open_session()
    asking = [
        asyncio.create_task(ada.http.post(f"/sessions/{session}/chat", json={"message": f"Message {number}"})) for number in range(50)
    ]
    await provider.wait_until_asked()
    refused = [next_one.result() for next_one in await _first(49, asking)]
    active = (await ada.http.get(f"/sessions/{session}/state")).json()["live_run_id"]
    told = {(answer.status_code, answer.json()["code"], answer.json()["active_run_id"]) for answer in refused}
    assert told == {(409, "session_busy", active)}
    assert len(await provider.requests()) == 1
    await ada.http.post(f"/runs/{active}/cancel")
    await asyncio.gather(*asking)
    assert len(await ada.messages(session)) == 2


async def test_messages_that_wait_are_answered_in_order(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", seconds_between=0.8, when="Count"), Text("Second."), Text("Third."))
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        await read_a_token(events)
        second = asyncio.create_task(ada.stream(session, "Two", on_busy="enqueue"))
        await _until_waiting(ada, session, "Two")
        third = asyncio.create_task(ada.ask(session, "Three", on_busy="enqueue"))
        assert [event async for event in events][-1].data["status"] == "completed"
    assert types_of(await second) == ["start", "token", "usage", "end"]
    assert text_of(await second) == "Second."
    assert (await third).json()["message"]["content"] == "Third."
    assert await _said(ada, session) == ["Count", "one two three", "Two", "Second.", "Three", "Third."]
    asked = [message["content"] for message in (await provider.requests())[-1].messages if message["role"] == "user"]
    assert asked == ["Count", "Two", "Three"]


async def test_only_so_many_messages_wait(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(HANGS)
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        await read_a_token(events)
        path = f"/sessions/{session}/runs"
        sent = [await ada.http.post(path, json={"message": f"Message {number}", "on_busy": "enqueue"}) for number in range(21)]
        assert [answer.status_code for answer in sent] == [202] * 20 + [409]
        assert sent[-1].json()["code"] == "session_busy"
        assert len((await ada.http.get(f"/sessions/{session}/state")).json()["waiting"]) == 20
        assert (await ada.http.delete(f"/sessions/{session}/messages")).status_code == httpx.codes.NO_CONTENT
    assert (await ada.http.get(f"/sessions/{session}/state")).json()["waiting"] == []


async def test_a_message_that_waits_for_nobody_is_answered_at_once(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Hello."))
    assert (await ada.ask(await ada.open_session(), "Hi", on_busy="enqueue")).json()["message"]["content"] == "Hello."


async def test_a_message_that_waits_can_be_stopped_before_its_turn(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(HANGS)
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events, ada.streaming(session, "Two", on_busy="enqueue") as waiting:
        await read_a_token(events)
        run = await _until_waiting(ada, session, "Two")
        assert (await ada.http.post(f"/runs/{run}/cancel")).status_code == httpx.codes.NO_CONTENT
        assert [(event.type, event.data["status"]) async for event in waiting] == [("end", "cancelled")]
        first = (await ada.http.get(f"/sessions/{session}/state")).json()["live_run_id"]
        await ada.http.post(f"/runs/{first}/cancel")
        assert [event async for event in events][-1].data["status"] == "cancelled"
    assert [message["role"] for message in await ada.messages(session)] == ["user", "assistant"]
    assert len(await provider.requests()) == 1


async def test_interrupting_stops_what_waits_too(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(HANGS, Text("Stopped."))
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        await read_a_token(events)
        waiting = asyncio.create_task(ada.stream(session, "Two", on_busy="enqueue"))
        await _until_waiting(ada, session, "Two")
        taken = await ada.ask(session, "Stop", on_busy="interrupt")
    assert taken.json()["message"]["content"] == "Stopped."
    assert [event.data.get("status") for event in await waiting] == ["cancelled"]
    assert await _said(ada, session) == ["Count", "one two", "Stop", "Stopped."]


async def test_rolling_back_undoes_the_turn(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Hello."), HANGS, Text("Never mind."))
    session = await ada.open_session()
    await ada.ask(session, "Hi")
    async with ada.streaming(session, "Count") as events:
        await read_a_token(events)
        taken = await ada.ask(session, "Something else", on_busy="rollback")
        assert [event.data["status"] async for event in events if event.type == "end"] == ["cancelled"]
    assert taken.json()["message"]["content"] == "Never mind."
    assert await _said(ada, session) == ["Hi", "Hello.", "Something else", "Never mind."]
    asked = [message["content"] for message in (await provider.requests())[-1].messages if message["role"] != "system"]
    assert asked == ["Hi", "Hello.", "Something else"]


async def test_the_same_key_in_the_queue_means_the_same_run(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", seconds_between=0.8, when="Count"), Text("Once."))
    session = await ada.open_session()
    body, key = {"message": "Two", "on_busy": "enqueue"}, {"Idempotency-Key": "k"}
    async with ada.streaming(session, "Count") as events:
        await read_a_token(events)
        both = await asyncio.gather(*(ada.http.post(f"/sessions/{session}/chat", json=body, headers=key) for _ in range(2)))
    assert [answer.json()["message"]["content"] for answer in both] == ["Once.", "Once."]
    assert both[0].json()["run_id"] == both[1].json()["run_id"]
    assert len(await provider.requests()) == 2


async def _first[Result](count: int, tasks: list[asyncio.Task[Result]]) -> list[asyncio.Task[Result]]:
    """Those of the tasks that are done first."""
    async with asyncio.timeout(10):
        while len(done := [task for task in tasks if task.done()]) < count:  # noqa: ASYNC110  # any of them may be the next
            await asyncio.sleep(0.01)
    return done


async def _until_waiting(visitor: Visitor, session: str, message: str) -> str:
    """The run of a message that has taken its place in the queue."""
    async with asyncio.timeout(10):
        while True:
            for run in (await visitor.http.get(f"/sessions/{session}/state")).json()["waiting"]:
                if run["text"] == message:
                    return str(run["run_id"])
            await asyncio.sleep(0.02)
