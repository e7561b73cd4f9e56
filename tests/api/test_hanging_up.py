"""A connection is only a tail: what its end means for the run behind it."""

import asyncio
from typing import Any

import httpx

from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, read_a_token, text_of


async def _answered(visitor: Visitor, session: str) -> dict[str, Any]:
    """The session's last message, once it is the assistant's."""
    async with asyncio.timeout(10):
        while (last := (await visitor.messages(session))[-1])["role"] != "assistant":  # noqa: ASYNC110  # the server makes it so
            await asyncio.sleep(0.05)
    return last


async def _live_run(visitor: Visitor, session: str) -> str | None:
    run_id: str | None = (await visitor.http.get(f"/sessions/{session}/state")).json()["live_run_id"]
    return run_id


async def test_a_hang_up_that_asks_for_it_stops_the_model_and_keeps_what_was_said(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=2), Text("Here again."))
    session = await ada.open_session()
    async with ada.streaming(session, "Count", on_disconnect="cancel") as events:
        said = ""
        while said != "one two":  # in one token or two: those of one read are told together
            said += (await anext(events)).data.get("content", "")
    await provider.wait_until_closed_early()
    cut = await _answered(ada, session)
    assert (cut["content"], cut["status"]) == ("one two", "cancelled")
    assert await _live_run(ada, session) is None
    assert text_of(await ada.stream(session, "Go on")) == "Here again."


async def test_a_hang_up_that_asks_for_nothing_leaves_the_answer_to_be_made(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", seconds_between=0.6))
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        run_id = (await anext(events)).data["run_id"]
    assert await _live_run(ada, session) == run_id
    whole = await _answered(ada, session)
    assert (whole["content"], whole["status"]) == ("one two three", "completed")
    assert text_of(await ada.read_on(run_id)) == "one two three"


async def test_who_does_not_wait_for_a_whole_answer_finds_it_in_the_transcript(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", seconds_between=0.6))
    session = await ada.open_session()
    waiting = asyncio.create_task(ada.ask(session, "Count"))
    await provider.wait_until_asked()
    waiting.cancel()
    whole = await _answered(ada, session)
    assert (whole["content"], whole["status"]) == ("one two three", "completed")


async def test_stopping_a_run_ends_its_stream_without_an_error(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=2))
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        run_id = (await anext(events)).data["run_id"]
        assert (await anext(events)).type == "token"
        assert (await ada.http.post(f"/runs/{run_id}/cancel")).status_code == httpx.codes.NO_CONTENT
        rest = [event async for event in events]
    assert "error" not in {event.type for event in rest}
    assert (rest[-1].type, rest[-1].data["status"]) == ("end", "cancelled")
    await provider.wait_until_closed_early()


async def test_stopping_a_run_is_told_to_who_waits_for_its_whole_answer(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=2))
    session = await ada.open_session()
    waiting = asyncio.create_task(ada.ask(session, "Count"))
    await provider.wait_until_asked()
    # The turn is taken before the model is asked, so the session names its run by now.
    await ada.http.post(f"/runs/{await _live_run(ada, session)}/cancel")
    stopped = await waiting
    assert (stopped.status_code, stopped.json()["code"]) == (409, "run_cancelled")


async def test_a_session_that_is_cleared_in_mid_answer_starts_afresh(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=2), Text("Hello."))
    session = await ada.open_session()
    async with ada.streaming(session, "Count") as events:
        await read_a_token(events)
        assert (await ada.http.delete(f"/sessions/{session}/messages")).status_code == httpx.codes.NO_CONTENT
        assert [event.data["status"] async for event in events if event.type == "end"] == ["cancelled"]
    assert await ada.messages(session) == []
    assert (await ada.ask(session, "Anybody?")).json()["message"]["content"] == "Hello."
    assert [message["content"] for message in (await provider.requests())[-1].messages[1:]] == ["Anybody?"]
