"""The response cache as its users see it: who gets an answer that was given before, and what that costs."""

import asyncio
from typing import Any, Final

import httpx
import pytest

from tests.conftest import Server
from tests.stub.answers import HttpError, Refusal, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.valkey_process import ValkeyProcess
from tests.visitor import Event, Visitor, text_of, types_of

ASKED: Final = "Count to three"
ZERO: Final = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "reasoning_tokens": 0, "cached_tokens": 0, "cost_usd": 0.0}

_caches = pytest.mark.variables(RESPONSE_CACHE="true", WORKER_IN_SERVER="true")


def _usage(events: list[Event]) -> dict[str, Any]:
    [usage] = [event.data for event in events if event.type == "usage"]
    return usage


async def _times_asked(provider: ProviderStub, words: str = ASKED) -> int:
    return sum(1 for request in await provider.requests(words) if request.messages[-1]["content"] == words)


async def _ask_anew(visitor: Visitor, message: str = ASKED, **more: Any) -> dict[str, Any]:
    """Ask in a session of its own."""
    answer = await visitor.ask(await visitor.open_session(), message, cache=True, **more)
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = answer.json()
    return found


@_caches
async def test_an_answer_is_told_again_as_a_stream_and_whole_and_costs_nothing(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", reasoning="Let me count."))
    first = await _ask_anew(ada)
    assert (first["from_cache"], first["usage"]["total_tokens"] > 0) == (False, True)
    session = await ada.open_session()
    events = await ada.stream(session, ASKED, cache=True)
    assert [event.type for event in events] == ["start", *["reasoning"] * 3, *["token"] * 3, "usage", "end"]
    assert text_of(events) == "one two three"
    assert _usage(events) == {**ZERO, "model": "stub", "from_cache": True}
    whole = await _ask_anew(ada)
    assert (whole["from_cache"], whole["tokens_used"], whole["status"]) == (True, 0, "completed")
    assert (whole["message"]["content"], whole["message"]["reasoning"]) == ("one two three", "Let me count.")
    assert {name: whole["usage"][name] for name in ZERO} == ZERO
    run = (await ada.http.get(f"/runs/{events[0].data['run_id']}")).json()
    assert (run["status"], run["input_tokens"], run["cost_usd"]) == ("completed", 0, 0.0)
    assert [message["content"] for message in await ada.messages(session)] == [ASKED, "one two three"]
    assert await _times_asked(provider) == 1


@_caches
async def test_the_conversation_goes_on_from_an_answer_that_was_told_again(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", when=ASKED), Text("four", when="And then?"))
    for from_cache in (False, True):
        session = await ada.open_session()
        for message in (ASKED, "And then?"):
            assert (await ada.ask(session, message, cache=True)).json()["from_cache"] is from_cache
    [asked] = [one for one in await provider.requests("And then?") if one.messages[-1]["content"] == "And then?"]
    assert [message["content"] for message in asked.messages[1:]] == [ASKED, "one two three", "And then?"]


async def test_a_server_without_a_cache_takes_the_wish_and_asks_the_model(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one", times=2))
    assert [(await _ask_anew(ada))["from_cache"] for _ in range(2)] == [False, False]
    assert await _times_asked(provider) == 2


@_caches
async def test_who_does_not_ask_for_it_gets_an_answer_of_their_own_and_leaves_none(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one"), Text("two"), Text("three"))
    session = await ada.open_session()
    assert (await ada.ask(session, ASKED)).json()["message"]["content"] == "one"
    assert (await _ask_anew(ada))["message"]["content"] == "two"
    other = await ada.open_session()
    assert (await ada.ask(other, ASKED)).json()["message"]["content"] == "three"
    assert (await _ask_anew(ada))["message"]["content"] == "two"


@_caches
async def test_another_user_is_told_nothing_of_it(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("for Ada"), Text("for her namesake"))
    async with Visitor(server.url) as namesake:
        await namesake.register("ada@example.org")  # whose prompt is the very same
        assert [(await _ask_anew(visitor))["message"]["content"] for visitor in (ada, namesake, ada)] == [
            "for Ada",
            "for her namesake",
            "for Ada",
        ]
    first, second = await provider.requests(ASKED)
    assert first.body == second.body


@_caches
async def test_regenerating_asks_the_model_and_takes_no_wish_for_the_cache(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one"), Text("two"))
    session = await ada.open_session()
    await ada.ask(session, ASKED, cache=True)
    again = (await ada.http.post(f"/sessions/{session}/regenerate", json={})).json()
    assert (again["message"]["content"], again["from_cache"]) == ("two", False)
    refused = await ada.http.post(f"/sessions/{session}/regenerate", json={"cache": True})
    assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY


@_caches
async def test_the_wish_reaches_runs_that_wait_and_runs_of_workers(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", when=ASKED), Text("slow", when="Slowly", seconds_between=0.3))
    await _ask_anew(ada)
    session = await ada.open_session()
    run = (await ada.http.post(f"/sessions/{session}/runs", json={"message": ASKED, "cache": True})).json()
    assert _usage(await ada.read_on(run["id"]))["from_cache"] is True

    for from_cache in (False, True):
        await provider.script(Text("slow", when="Slowly", seconds_between=0.3))
        waiting = await ada.open_session()
        async with ada.streaming(waiting, "Slowly"):
            answer = await ada.ask(waiting, "Go on", on_busy="enqueue", cache=True)
        assert answer.json()["from_cache"] is from_cache


@_caches
@pytest.mark.parametrize(
    "not_kept",
    [Text("one two", finish_reason="length"), Refusal("I will not."), HttpError(400), Text("one two", ending="truncate")],
)
async def test_an_answer_that_is_not_whole_is_not_told_again(ada: Visitor, provider: ProviderStub, not_kept: Any) -> None:
    await provider.script(not_kept, Text("one two three"))
    await ada.ask(await ada.open_session(), ASKED, cache=True)
    assert [(await _ask_anew(ada))["message"]["content"] for _ in range(2)] == ["one two three"] * 2
    assert await _times_asked(provider) == 2


@_caches
async def test_tools_are_called_anew(ada: Visitor, provider: ProviderStub) -> None:
    # The same id each time, as some providers number their calls.
    call = ToolCalls([ToolCall("calculate", {"expression": "12*7"}, id="c1")], when="12*7")
    await provider.script(call, Text("84", when="12*7"), call)
    first, second = [await ada.stream(await ada.open_session(), "12*7", cache=True) for _ in range(2)]
    assert types_of(first) == types_of(second) == ["start", "tool_call", "tool_result", "token", "usage", "end"]
    assert text_of(second) == "84"
    # The call was paid for; what the model made of its result was known.
    usage = _usage(second)
    assert (usage["from_cache"], usage["total_tokens"] > 0) == (False, True)
    assert len(await provider.requests("12*7")) == 3


@_caches
async def test_twenty_who_ask_the_same_at_once_are_one_call(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", seconds_between=0.3, when=ASKED, times=20))
    answers = await asyncio.gather(*(_ask_anew(ada) for _ in range(20)))
    assert {answer["message"]["content"] for answer in answers} == {"one two three"}
    assert sorted(answer["from_cache"] for answer in answers) == [False, *[True] * 19]
    assert len({answer["message"]["id"] for answer in answers}) == 20
    assert await _times_asked(provider) == 1


@_caches
async def test_who_asks_first_may_be_stopped_and_the_next_asks(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=1), Text("one two three"))
    async with ada.streaming(await ada.open_session(), ASKED, cache=True) as events:
        run = (await anext(events)).data["run_id"]
        assert (await anext(events)).type == "token"
        async with ada.streaming(await ada.open_session(), ASKED, cache=True) as waiting:
            leaving = (await anext(waiting)).data["run_id"]
            following = asyncio.create_task(_ask_anew(ada))
            await ada.http.post(f"/runs/{leaving}/cancel")
            assert [event.type async for event in waiting] == ["usage", "end"]
        await ada.http.post(f"/runs/{run}/cancel")
        answer = await following
    assert (answer["message"]["content"], answer["from_cache"]) == ("one two three", False)
    assert (await _ask_anew(ada))["from_cache"] is True
    assert await _times_asked(provider) == 2


class TestWithRedis:
    """What a Redis does or does not do to an answer."""

    @pytest.fixture
    def variables_of_test(self, variables_of_test: dict[str, str], valkey: ValkeyProcess) -> dict[str, str]:
        return {**variables_of_test, "RESPONSE_CACHE": "true", "REDIS_URL": valkey.url}

    @pytest.mark.parametrize("trouble", ["kill", "freeze"])
    async def test_an_answer_needs_no_redis(self, ada: Visitor, provider: ProviderStub, valkey: ValkeyProcess, trouble: str) -> None:
        await provider.script(Text("one two three", when=ASKED))
        assert [(await _ask_anew(ada))["from_cache"] for _ in range(2)] == [False, True]
        getattr(valkey, trouble)()
        await provider.script(Text("anew", when=ASKED, times=3))
        for _ in range(3):
            async with asyncio.timeout(2):
                answer = await _ask_anew(ada)
            assert (answer["message"]["content"], answer["from_cache"]) == ("anew", False)
