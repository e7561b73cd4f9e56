"""The stub provider as the real client library sees it: a test that trusts it must be able to."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

from tests.stub.answers import Ending, Hang, HttpError, Raw, Refusal, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub, start_stub

type ModelNamed = Callable[..., ChatOpenAI]

OSLO_AND_SUM = ToolCalls(
    [ToolCall("current_time", {"zone": "Europe/Oslo"}), ToolCall("calculator", {"expression": "12*7"})], argument_pieces=5
)


@pytest.fixture(scope="module")
def running() -> Iterator[ProviderStub]:
    with start_stub() as provider:
        yield provider


@pytest.fixture
async def provider(running: ProviderStub) -> AsyncIterator[ProviderStub]:
    yield running
    await running.clear()


@pytest.fixture
async def model_named(running: ProviderStub) -> AsyncIterator[ModelNamed]:
    # Left alone, langchain shares one client among all models, and so among the event loops of all tests.
    async with openai.DefaultAsyncHttpxClient() as client:
        yield partial(
            ChatOpenAI,
            base_url=running.url,
            api_key="x",
            http_async_client=client,
            stream_usage=True,
            use_responses_api=False,
            max_retries=0,
        )


@pytest.fixture
def model(model_named: ModelNamed) -> ChatOpenAI:
    return model_named(model="stub")


async def streamed(model: ChatOpenAI, words: str) -> list[AIMessageChunk]:
    return [chunk async for chunk in model.astream(words)]


def client_of(provider: ProviderStub) -> httpx.AsyncClient:
    """Give a busy machine more time than httpx does by itself, to answer and to come back on the same connection."""
    return httpx.AsyncClient(base_url=provider.url, timeout=30, limits=httpx.Limits(keepalive_expiry=60))


async def read_into(heard: bytearray, provider: ProviderStub, body: Mapping[str, Any]) -> None:
    async with client_of(provider) as client, client.stream("POST", "/chat/completions", json=body) as response:
        async for piece in response.aiter_raw():
            heard += piece


def joined(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


async def test_without_a_script_it_repeats_what_was_said(model: ChatOpenAI) -> None:
    answer = await model.ainvoke("good morning")
    assert answer.text == "You said: good morning"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == 2
    assert answer.usage_metadata["output_tokens"] == 4


async def test_a_text_streams_word_by_word_and_ends_with_its_usage(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(Text("Hello  there, friend"))
    chunks = await streamed(model, "hi")
    assert [chunk.text for chunk in chunks if chunk.text] == ["Hello", "  there,", " friend"]
    whole = joined(chunks)
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["total_tokens"] == 4
    assert whole.response_metadata["finish_reason"] == "stop"


async def test_a_text_streams_in_exactly_the_pieces_given(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(Text(pieces=["Hel", "lo ", "wörld"]))
    assert [chunk.text for chunk in await streamed(model, "hi") if chunk.text] == ["Hel", "lo ", "wörld"]


async def test_several_tools_are_called_at_once_and_the_next_request_gets_the_next_answer(
    provider: ProviderStub, model: ChatOpenAI
) -> None:
    await provider.script(OSLO_AND_SUM, Text("It is noon, and 84."))
    question = HumanMessage("time in Oslo, and 12*7?")
    chunks = await streamed(model, question.text)
    wish = joined(chunks)
    assert [(call["name"], call["args"]) for call in wish.tool_calls] == [
        ("current_time", {"zone": "Europe/Oslo"}),
        ("calculator", {"expression": "12*7"}),
    ]
    assert len([chunk for chunk in chunks if chunk.tool_call_chunks]) == 12  # each call opens, then has five pieces of arguments
    results = [ToolMessage("done", tool_call_id=call["id"]) for call in wish.tool_calls]
    answer = await model.ainvoke([question, wish, *results])
    assert answer.text == "It is noon, and 84."
    assert [message["role"] for message in (await provider.requests())[1].messages] == ["user", "assistant", "tool", "tool"]


async def test_tool_calls_come_without_a_stream_too(provider: ProviderStub) -> None:
    await provider.script(OSLO_AND_SUM)
    body = {"model": "stub", "messages": [{"role": "user", "content": "both?"}]}
    async with client_of(provider) as client:
        choice = (await client.post("/chat/completions", json=body)).json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["current_time", "calculator"]


async def test_an_unanswered_tool_call_is_refused_as_openai_refuses_it(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(OSLO_AND_SUM)
    wish = joined(await streamed(model, "both?"))
    half = ToolMessage("noon", tool_call_id=wish.tool_calls[0]["id"])
    with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
        await model.ainvoke([HumanMessage("both?"), wish, half, HumanMessage("well?")])


async def test_reasoning_goes_over_the_wire_before_the_text(provider: ProviderStub) -> None:
    await provider.script(Text("Four.", reasoning="two and two"))
    body = {"model": "stub", "messages": [{"role": "user", "content": "2+2?"}], "stream": True}
    client = openai.AsyncOpenAI(base_url=provider.url, api_key="x", max_retries=0)
    async with (
        client,
        await client.post("/chat/completions", body=body, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object]) as stream,
    ):
        chunks = [chunk async for chunk in stream]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]  # type: ignore[index]  # plain JSON
    said = [delta for delta in deltas if delta.get("content") or "reasoning_content" in delta]
    assert said == [{"reasoning_content": "two"}, {"reasoning_content": " and"}, {"reasoning_content": " two"}, {"content": "Four."}]


async def test_a_refusal_is_told_apart_from_a_text(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(Refusal("I would rather not."))
    answer = await model.ainvoke("do it")
    assert answer.additional_kwargs["refusal"] == "I would rather not."


@pytest.mark.parametrize(
    ("status", "raised"),
    [(401, openai.AuthenticationError), (400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
async def test_an_error_status_is_openais_error(
    provider: ProviderStub, model: ChatOpenAI, status: int, raised: type[openai.APIStatusError]
) -> None:
    await provider.script(HttpError(status, code="some_code", retry_after="7"))
    with pytest.raises(raised) as caught:
        await streamed(model, "hi")
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "some_code"


@pytest.mark.parametrize("stream", [True, False])
async def test_no_two_answers_share_an_id(provider: ProviderStub, stream: bool) -> None:  # parametrized
    body = {"model": "stub", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    heard = [bytearray() for _ in range(3)]
    for answer in heard:
        await read_into(answer, provider, body)
    ids = [set(re.findall(rb'"id":"(chatcmpl-[^"]+)"', answer)) for answer in heard]
    assert [len(found) for found in ids] == [1, 1, 1]
    assert len(set.union(*ids)) == 3


async def test_an_answer_can_be_good_for_several_requests(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(HttpError(500, times=2), Text("at last"))
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await model.ainvoke("hi")
    assert (await model.ainvoke("hi")).text == "at last"


@pytest.mark.parametrize("answer", [Hang(), Text("one two three", ending="hang", after=1)], ids=["before the headers", "after a token"])
async def test_a_hang_lasts_until_the_client_goes_and_is_remembered(provider: ProviderStub, model: ChatOpenAI, answer: Hang | Text) -> None:
    await provider.script(answer)
    asking = asyncio.create_task(streamed(model, "hi"))
    assert not (await provider.wait_until_asked()).closed_early
    asking.cancel()
    hung_up = await provider.wait_until_closed_early()
    assert not hung_up.answered


async def test_an_answer_that_was_heard_out_is_not_closed_early(provider: ProviderStub, model: ChatOpenAI) -> None:
    await model.ainvoke("hi")
    (asked,) = await provider.requests()
    assert asked.answered
    with pytest.raises(TimeoutError):
        await provider.wait_until_closed_early(seconds=0.1)


@pytest.mark.parametrize("ending", ["reset", "close"])
async def test_a_dropped_connection_breaks_the_stream_after_its_tokens(provider: ProviderStub, ending: Ending) -> None:
    await provider.script(Text("one two three", ending=ending, after=2))
    body = {"model": "stub", "messages": [], "stream": True}
    heard = bytearray()
    with pytest.raises(httpx.ReadError if ending == "reset" else httpx.RemoteProtocolError):
        await read_into(heard, provider, body)
    assert b"one" in heard
    assert b"three" not in heard


async def test_a_truncated_stream_ends_neatly_but_says_no_reason(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(Text("one two three", ending="truncate", after=2))
    whole = joined(await streamed(model, "hi"))
    assert whole.text == "one two"
    assert "finish_reason" not in whole.response_metadata


async def test_an_error_can_come_in_the_middle(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(Text("one two", ending="error", after=1))
    with pytest.raises(openai.APIError, match="told to fail"):
        await streamed(model, "hi")


async def test_a_line_that_is_no_json_is_garbage_to_the_client(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(Text("one two", ending="not_json", after=1))
    with pytest.raises(ValueError, match="Unterminated string"):
        await streamed(model, "hi")


async def test_raw_pieces_arrive_byte_for_byte_even_through_a_split_letter(provider: ProviderStub) -> None:
    pieces = [b": hello\r\n\r\ndata: \xc3", b"\xa9\r\n\r\n"]
    await provider.script(Raw(pieces, seconds_between=0.5))
    body = {"model": "stub", "messages": [], "stream": True}
    async with client_of(provider) as client, client.stream("POST", "/chat/completions", json=body) as response:
        assert [piece async for piece in response.aiter_raw()] == pieces


async def test_a_page_of_html_can_stand_where_an_answer_should(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(Raw([b"<html>Bad gateway</html>"], content_type="text/html"))
    with pytest.raises(ValueError, match="No generation chunks"):
        await streamed(model, "hi")


async def test_slow_tokens_come_one_by_one(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(Text("a b c d", seconds_between=0.1))
    arrived = [time.monotonic() async for chunk in model.astream("hi") if chunk.text]
    assert 0.25 < arrived[-1] - arrived[0] < 2


async def test_a_numbered_model_answers_so_many_tokens_at_such_a_rate(model_named: ModelNamed) -> None:
    began = time.monotonic()
    answer = await model_named(model="stub-20x50").ainvoke("hi")
    assert answer.text.split() == [f"t{number}" for number in range(1, 21)]
    assert 0.4 <= time.monotonic() - began < 2


async def test_a_share_of_first_calls_asks_for_a_tool_and_the_same_ones_each_time(model_named: ModelNamed) -> None:
    model = model_named(model="stub-5-tool20")
    rounds = [[bool((await model.ainvoke(f"question {number}")).tool_calls) for number in range(50)] for _ in range(2)]
    assert rounds[0] == rounds[1]
    assert 5 <= sum(rounds[0]) <= 15


async def test_an_addressed_answer_waits_for_its_question_while_others_are_served(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(Text("for anyone"), Text("for Ada", when="Ada"))
    heard = [(await model.ainvoke(words)).text for words in ("I am Ada", "I am Bob", "I am Ada")]
    assert heard == ["for Ada", "for anyone", "You said: I am Ada"]


async def test_concurrent_sessions_each_get_their_own_answer(provider: ProviderStub, model: ChatOpenAI) -> None:
    await provider.script(*(Text(f"answer {name}", when=f"<{name}>", seconds_between=0.01) for name in range(20)))
    answers = await asyncio.gather(*(model.ainvoke(f"question <{name}>") for name in reversed(range(20))))
    assert [answer.text for answer in answers] == [f"answer {name}" for name in reversed(range(20))]


async def test_a_connection_is_kept_alive_between_answers(provider: ProviderStub) -> None:
    body = {"model": "stub", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    async with client_of(provider) as client:
        for _ in range(3):
            await client.post("/chat/completions", json=body, headers={"Authorization": "Bearer my-key"})
    asked = await provider.requests()
    assert len({request.connection for request in asked}) == 1
    assert asked[0].headers["authorization"] == "Bearer my-key"


async def test_a_request_that_comes_before_the_last_answer_has_ended_loses_no_byte(provider: ProviderStub) -> None:
    body = b'{"model": "stub-5x50", "messages": [], "stream": true}'
    request = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(provider.url).port)
    writer.write(request + request)
    for _ in range(2):
        answer = await asyncio.wait_for(reader.readuntil(b"data: [DONE]\n\n\r\n0\r\n\r\n"), 5)
        assert answer.startswith(b"HTTP/1.1 200 OK")
    writer.close()
    assert [request.answered for request in await provider.requests()] == [True, True]


async def test_models_are_listed(provider: ProviderStub) -> None:
    async with openai.AsyncOpenAI(base_url=provider.url, api_key="x") as client:
        assert "stub-100" in [model.id async for model in client.models.list()]


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 3\r\n\r\n{]}",
        b"nonsense\r\n\r\n",
        b"POST /_script HTTP/1.1\r\ncontent-length: 999999999999\r\n\r\n",
        b'POST /_script HTTP/1.1\r\ncontent-length: 22\r\n\r\n[{"kind": "no such"} ]',
        b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=["no json", "no http", "too large", "unknown answer", "long header"],
)
async def test_nonsense_is_refused_and_hurts_nobody(provider: ProviderStub, model: ChatOpenAI, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(provider.url).port)
    writer.write(sent)
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert (await model.ainvoke("still there?")).text == "You said: still there?"


async def test_a_wrong_script_says_so(provider: ProviderStub) -> None:
    with pytest.raises(ValueError, match="status"):
        await provider.script(HttpError(200))


def test_the_stub_does_not_outlive_a_killed_parent() -> None:
    code = "from tests.stub.client import start_stub\nwith start_stub() as p:\n  print(p.url, flush=True)\n  input()"
    command = (sys.executable, "-c", code)
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:  # noqa: S603  # ourselves
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith(b"http://127.0.0.1:")
        children = psutil.Process(parent.pid).children()
        os.kill(parent.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=5)
    assert len(children) == 1
    assert not alive
