"""A server is asked as any client asks it: through its door, word by word, and with patience."""

import asyncio

import pytest

from evals.cases import Case
from evals.errors import EvalsError, Misused
from evals.options import Options
from evals.targets.http import open_http
from evals.tries import answer_of
from tests.conftest import Server
from tests.evals.cutting import cutting
from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

_HELLO = Case(id="hello", input="Hello")


async def _sessions(visitor: Visitor) -> list[str]:
    return [session["id"] for session in (await visitor.http.get("/sessions")).json()["items"]]


async def test_an_answer_is_kept_with_its_tools_its_tokens_and_its_seconds(logged_in: str, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "12 * 12"})]), Text("It is 144."))
    async with open_http(Options(url=logged_in, model="gpt-5")) as target:
        answer = await answer_of(Case(id="sum", input="What is 12 * 12?"), 2, target, seconds=30)
        (turn,) = answer.turns
    assert (answer.case_id, answer.attempt, answer.error, turn.said, turn.text) == ("sum", 2, "", "What is 12 * 12?", "It is 144.")
    assert [(call.name, call.args, call.result, call.is_error) for call in turn.tool_calls] == [
        ("calculate", {"expression": "12 * 12"}, "144", False)
    ]
    assert turn.model == "gpt-5"
    assert turn.input_tokens > 0
    assert turn.cost_usd
    assert turn.first_token_seconds
    assert 0 < turn.first_token_seconds <= turn.seconds
    assert (await ada.http.get(f"/runs/{turn.run_id}")).status_code == 404, "the session is gone, and its runs with it"
    assert await _sessions(ada) == []


async def test_a_conversation_is_one_session_and_is_kept_where_that_is_asked_for(
    logged_in: str, ada: Visitor, provider: ProviderStub
) -> None:
    await provider.script(Text("Good day."), Text("Goodbye."))
    async with open_http(Options(url=logged_in, keeps_sessions=True)) as target:
        answer = await answer_of(Case(id="two", conversation=("Hello", "Bye")), 1, target, seconds=30)
    assert [turn.text for turn in answer.turns] == ["Good day.", "Goodbye."]
    (session,) = await _sessions(ada)
    assert [message["content"] for message in await ada.messages(session)] == ["Hello", "Good day.", "Bye", "Goodbye."]


async def test_a_key_opens_the_door_too(server: Server, ada: Visitor, provider: ProviderStub, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await ada.http.post("/auth/api-keys", json={"name": "Evals", "scopes": ["read", "chat"]})
    assert made.status_code == 201, made.text
    monkeypatch.setenv("MILEPOST_API_KEY", made.json()["key"])
    await provider.script(Text("Good day."))
    async with open_http(Options(url=server.url)) as target:
        assert (await answer_of(_HELLO, 1, target, seconds=30)).text == "Good day."


async def test_a_token_that_has_ended_is_got_again(logged_in: str, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Good day."))
    async with open_http(Options(url=logged_in)) as target:
        for login in (await ada.http.get("/auth/logins")).json()["items"]:
            if not login["is_current"]:
                assert (await ada.http.delete(f"/auth/logins/{login['id']}")).status_code == 204
        assert (await answer_of(_HELLO, 1, target, seconds=30)).text == "Good day."


async def test_who_is_not_let_in_is_told_so(logged_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILEPOST_PASSWORD", "not-hers")
    with pytest.raises(EvalsError, match="password"):
        await open_http(Options(url=logged_in)).__aenter__()
    monkeypatch.delenv("MILEPOST_PASSWORD")
    with pytest.raises(Misused, match="MILEPOST_PASSWORD"):
        await open_http(Options(url=logged_in)).__aenter__()


async def test_a_model_that_is_not_there_and_a_server_that_is_none_are_told(logged_in: str) -> None:
    with pytest.raises(Misused, match="no model nope; there are stub, gpt-5"):
        await open_http(Options(url=logged_in, model="nope")).__aenter__()
    with pytest.raises(EvalsError, match="No server answers"):
        await open_http(Options(url="http://127.0.0.1:9")).__aenter__()


async def test_an_address_where_something_else_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def greeted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nHello")
        await writer.drain()
        writer.close()

    monkeypatch.setenv("MILEPOST_API_KEY", "mp_any")
    async with await asyncio.start_server(greeted, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(EvalsError, match="is no Milepost server"):
            async with open_http(Options(target="http", url=f"http://127.0.0.1:{port}")):
                pass


async def test_hang_ups_are_read_on_and_nothing_is_heard_twice(logged_in: str, provider: ProviderStub) -> None:
    words = [f"word-{number} " for number in range(60)]
    await provider.script(Text(pieces=words, seconds_between=0.01))
    async with (
        cutting(logged_in, times=3, after_bytes=1_500) as proxy,
        open_http(Options(url=proxy.url)) as target,
    ):
        answer = await answer_of(_HELLO, 1, target, seconds=60)
    assert proxy.cuts == 3
    assert (answer.error, answer.text) == ("", "".join(words))
    assert len(await provider.requests("Hello")) == 1


async def test_what_takes_too_long_is_an_error_with_what_was_said_by_then(logged_in: str, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Good day."), Text(pieces=["One ", "two"], ending="hang"))
    async with open_http(Options(url=logged_in)) as target:
        answer = await answer_of(Case(id="two", conversation=("Hello", "Count")), 1, target, seconds=1.5)
    assert (answer.error, [turn.said for turn in answer.turns]) == ("timeout", ["Hello", "Count"])
    assert answer.text.startswith("One")
    assert await _sessions(ada) == []


async def test_a_run_that_fails_is_an_answer_with_its_code(logged_in: str, provider: ProviderStub) -> None:
    await provider.script(HttpError(500))
    async with open_http(Options(url=logged_in)) as target:
        answer = await answer_of(_HELLO, 1, target, seconds=30)
    assert (answer.error, answer.text, len(answer.turns)) == ("model_unavailable", "", 1)
    assert answer.detail
    assert answer.turns[0].seconds > 0


@pytest.mark.variables(RATE_LIMIT_STREAM="1 per second")
async def test_a_server_that_asks_for_patience_gets_it(logged_in: str, provider: ProviderStub) -> None:
    await provider.script(Text("Good day.", times=3))
    async with open_http(Options(url=logged_in)) as target:
        answers = [await answer_of(_HELLO, attempt, target, seconds=30) for attempt in (1, 2, 3)]
    assert [answer.text for answer in answers] == ["Good day."] * 3
