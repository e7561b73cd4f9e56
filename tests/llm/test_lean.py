"""The lean client makes of a stream what ChatOpenAI makes of it: the same message, the same usage, the same error."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from langchain_core.callbacks import AsyncCallbackHandler, AsyncCallbackManager
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context
from pydantic import BaseModel, SecretStr

from app.agent.tools import TOOLS
from app.errors import ModelError, ModelRateLimited
from app.llm.catalog import ModelSpec
from app.llm.clients import open_chat_model
from app.llm.lean.assembly import Assembly
from app.llm.lean.model import LeanModel
from app.llm.lean.sse import EventReader
from app.llm.openai import OpenAIModel
from app.llm.streaming import streamed
from app.settings import ModelSettings
from tests.fakes import HeardAll
from tests.stub.answers import Hang, HttpError, Raw, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub

QUESTION: Final = [HumanMessage("Well?")]


def chunk(delta: Mapping[str, Any] | None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason, **more.pop("choice", {})}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m-2026", "choices": [choice], **more}


def said(*texts: str) -> list[dict[str, Any]]:
    return [chunk({"content": text}) for text in texts]


def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments, **more.pop("function", {})}, **more}]})


def probable(token: str) -> dict[str, Any]:
    return {"content": [{"token": token, "bytes": None, "logprob": -0.1, "top_logprobs": []}], "refusal": None}


def lines(chunks: Iterable[object], end: str = "\n", *, done: bool = True) -> bytes:
    events = [f"data: {json.dumps(one, ensure_ascii='ud800' in str(one))}{end}{end}" for one in chunks]
    return "".join([*events, f"data: [DONE]{end}{end}" if done else ""]).encode()


OPENING: Final = chunk({"role": "assistant", "content": "", "refusal": None})
STOP: Final = chunk({}, "stop", system_fingerprint="fp-1", service_tier="default")
COUNTED: Final = {
    **chunk({}),
    "choices": [],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
    },
}
CALLING: Final = [
    call(0, "", id="call-a", type="function", function={"name": "calculate"}),
    call(0, '{"expre'),
    call(0, 'ssion": "6*7"}'),
    call(1, "", id="call-b", type="function", function={"name": "current_time"}),
    call(1, '{"zone": "Oslo"}'),
    chunk({}, "tool_calls"),
]

STREAMS: Final[Mapping[str, Sequence[object]]] = {
    "plain": [OPENING, *said("It ", "is ", "84."), STOP, COUNTED],
    "usage in every chunk": [{**one, "usage": None} for one in [OPENING, *said("It ", "is."), STOP]] + [COUNTED],
    "usage with the last text": [OPENING, *said("It "), {**chunk({"content": "is."}, "stop"), "usage": COUNTED["usage"]}],
    "parallel tool calls, arguments split": [OPENING, *CALLING, COUNTED],
    "text, then tools": [OPENING, *said("Let ", "me ", "see."), *CALLING, COUNTED],
    "arguments that are no JSON": [OPENING, call(0, '{"expr', id="call-a", function={"name": "calculate"}), chunk({}, "tool_calls")],
    "thoughts": [OPENING, chunk({"reasoning_content": "Hm"}), chunk({"content": None, "reasoning_content": "m."}), *said("Yes", "."), STOP],
    "thoughts by the other name": [OPENING, chunk({"reasoning": "Hmm."}), *said("Yes."), STOP],
    "thoughts after the answer": [*said("Yes"), chunk({"reasoning_content": "?"}), *said("."), STOP],
    "a refusal": [OPENING, chunk({"refusal": "I ca"}), chunk({"refusal": "nnot."}), STOP, COUNTED],
    "fields that are null": [
        chunk({"role": None, "content": "Y", "tool_calls": None, "refusal": None, "function_call": None}, system_fingerprint=None),
        chunk({"content": None, "tool_calls": None}),
        chunk({"content": "es."}, choice={"logprobs": None}),
        STOP,
    ],
    "a delta that is null": [OPENING, *said("Yes."), chunk(None), STOP],
    "empty chunks": [chunk({}), {**chunk({}), "choices": []}, *said("Yes."), chunk({"content": ""}), STOP, COUNTED],
    "no role": [*said("Yes."), STOP],
    "the role in every chunk": [chunk({"role": "assistant", "content": text}) for text in ("Ye", "s.")] + [STOP],
    "log probabilities": [
        chunk({"content": "Yes"}, choice={"logprobs": probable("Yes")}),
        chunk({"content": "."}, choice={"logprobs": probable(".")}),
        STOP,
    ],
    "cut off at the limit": [*said("And then"), chunk({}, "length"), COUNTED],
    "text with the end": [*said("Ye"), chunk({"content": "s."}, "stop")],
    "unicode": [*said("Bjørn ", "åt 🐻", "‍❄️ \u2028 \u0000", "„fin“"), STOP],
    "half a character": [*said("a", "\ud800", "b"), STOP],
    "a function call of old": [chunk({"function_call": {"name": "f", "arguments": "{}"}}), chunk({}, "function_call")],
    "nothing but an end": [OPENING, STOP],
    "broken off": [OPENING, *said("It is")],
    "nothing": [],
    "an error in the middle": [OPENING, *said("It is"), {"error": {"message": "canary", "type": "server_error", "code": None}}],
    "an error and no more": [{"error": "canary"}],
    "a number": [7],
    "choices of another shape": [{"choices": [7]}],
    "a delta of another shape": [chunk({"content": 7}), STOP],
    "calls of another shape": [chunk({"tool_calls": [{"index": 0, "function": {"arguments": 7}}]}), STOP],
    "a usage of another shape": [*said("Yes."), STOP, {"choices": [], "usage": {"prompt_tokens": "many"}}],
}
FORMS: Final[Mapping[str, bytes]] = {
    "CRLF": lines([*said("Ye", "s."), STOP, COUNTED], "\r\n"),
    "CR": lines([*said("Ye", "s."), STOP, COUNTED], "\r"),
    "comments": b": hello\n\n: again\n" + lines(said("Yes.")).removesuffix(b"data: [DONE]\n\n") + b":\n\n" + lines([STOP]),
    "other fields": b"event: message\nid: 1\nretry: 3\n" + lines([*said("Yes."), STOP]),
    "no space": lines([*said("Yes."), STOP]).replace(b"data: ", b"data:"),
    "data in two lines": b'data: {"choices":\ndata: [{"delta": {"content": "Yes."}, "finish_reason": "stop"}]}\n\n',
    "no [DONE]": lines([*said("Yes."), STOP], done=False),
    "something after [DONE]": lines([*said("Yes."), STOP]) + lines(said("No.")),
    "no end of the last line": lines([*said("Yes."), STOP]).removesuffix(b"\n\n"),
    "bytes that are no UTF-8": b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n',
    "no JSON": b"data: {\n\n",
    "no event stream": b"<html>canary</html>",
}


@pytest_asyncio.fixture
async def models(provider: ProviderStub) -> AsyncIterator[tuple[LeanModel, OpenAIModel]]:
    """Ours and the one it must equal."""
    async with AsyncExitStack() as stack:
        opened = []
        for client in ("lean", "stock"):
            settings = ModelSettings(LLM_CLIENT=client, OPENAI_BASE_URL=provider.url, LLM_IDLE_SECONDS=0.3, LLM_MAX_RETRIES=0)
            opened.append(await stack.enter_async_context(open_chat_model(ModelSpec(name="stub"), settings, SecretStr("sk-test"))))
        lean, stock = opened
        assert isinstance(lean, LeanModel)
        assert not isinstance(stock, LeanModel)
        yield lean, stock


async def outcome(model: OpenAIModel, prompt: Sequence[BaseMessage] = QUESTION) -> tuple[Any, list[tuple[Any, ...]]]:
    """What it makes of the next answer, and what is heard meanwhile, neighbouring pieces in one."""
    heard = HeardAll()
    try:
        answer: Any = facts(await streamed(model.bind_tools(TOOLS), prompt, heard, hears=isinstance(model, LeanModel)))
    except ModelError as error:
        answer = (type(error), error.detail if "canary" in error.detail else "", error.extra)
    return answer, joined(heard.heard)


def facts(answer: AIMessage) -> dict[str, Any]:
    return {name: value for name, value in answer.model_dump().items() if name != "id"}


def joined(heard: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    whole: list[tuple[Any, ...]] = []
    for kind, text in heard:
        if whole and whole[-1][0] == kind:
            whole[-1] = (kind, whole[-1][1] + text)
        else:
            whole.append((kind, text))
    return whole


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # the stock client's own, of shapes it does not know
@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_gives_the_same_message_or_error(models: tuple[LeanModel, OpenAIModel], provider: ProviderStub, name: str) -> None:
    await provider.script(Raw([lines(STREAMS[name])], times=2))
    lean, stock = models
    assert await outcome(lean) == await outcome(stock)


@pytest.mark.parametrize("name", FORMS)
async def test_so_does_one_in_any_form(models: tuple[LeanModel, OpenAIModel], provider: ProviderStub, name: str) -> None:
    await provider.script(Raw([FORMS[name]], times=2))
    lean, stock = models
    assert await outcome(lean) == await outcome(stock)


def test_a_piece_without_a_character_is_nothing_to_hear() -> None:
    hearer = HeardAll()
    assembly = Assembly(hearer)
    assembly.take_all([chunk({"content": ""})])
    assert hearer.heard == []
    assembly.take_all(said("", "Yes", "."))
    assert hearer.heard == [("token", "Yes.")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_wherever_a_read_ends_the_events_are_the_same(end: str) -> None:
    stream = lines(said("Bjørn ", "🐻‍❄️"), end) + f": ping{end}{end}data: x{end}data: y{end}{end}".encode()
    whole = EventReader().feed(stream + b" ")
    assert [json.loads(event)["choices"][0]["delta"]["content"] for event in whole[:2]] == ["Bjørn ", "🐻‍❄️"]
    assert whole[2:] == [b"[DONE]", b"x\ny"]
    for place in range(len(stream)):
        reader = EventReader()
        assert [*reader.feed(stream[:place]), *reader.feed(stream[place:]), *reader.feed(b" ")] == whole
    reader = EventReader()
    assert [event for byte in stream + b" " for event in reader.feed(bytes([byte]))] == whole


@pytest.mark.parametrize(
    "answer",
    [
        *(HttpError(status, message="canary") for status in (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503)),
        HttpError(429, retry_after="7"),
        HttpError(503, retry_after="Sat, 21 Nov 2026 12:00:00 GMT"),
        Hang(),
        Text("It is", ending="hang"),
        Text("It is", ending="reset"),
        Text("It is", ending="close"),
        Text("It is", ending="truncate"),
        Text("It is", ending="error"),
        Text("It is", ending="not_json"),
        Text("It is", ending="reset", after=0),
    ],
    ids=repr,
)
async def test_what_goes_wrong_is_the_same_error(
    models: tuple[LeanModel, OpenAIModel], provider: ProviderStub, answer: HttpError | Hang | Text
) -> None:
    lean, stock = models
    await provider.script(answer, answer)
    assert await outcome(lean) == await outcome(stock)


async def test_the_provider_is_asked_the_same(models: tuple[LeanModel, OpenAIModel], provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "1"})], times=2), Text("1", times=2))
    for model in models:
        answer = await streamed(model.bind_tools(TOOLS), QUESTION, HeardAll(), hears=isinstance(model, LeanModel))
        answer.tool_calls[0]["id"] = "call-a"
    asked = [request.body for request in await provider.requests()]
    assert asked[0] == asked[1]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("name", STREAMS)
async def test_where_nobody_watches_the_message_is_the_same(
    models: tuple[LeanModel, OpenAIModel], provider: ProviderStub, name: str
) -> None:
    await provider.script(Raw([lines(STREAMS[name])], times=2))
    lean, stock = models
    unwatched = RunnableConfig(callbacks=AsyncCallbackManager([]))
    with set_config_context(unwatched) as context:
        assert await asyncio.create_task(outcome(lean), context=context) == await outcome(stock)


CONVERSATION: Final[Sequence[BaseMessage]] = [
    SystemMessage("You are."),
    HumanMessage("Hello", id="h-1"),
    HumanMessage("I am Bo", name="bo"),
    AIMessage("Bo 🐻", id="a-1", response_metadata={"finish_reason": "stop"}, additional_kwargs={"reasoning_content": "Hm."}),
    HumanMessage([{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]),
    AIMessage("", tool_calls=[{"name": "calculate", "args": {"expression": "1"}, "id": "call-a", "type": "tool_call"}]),
    ToolMessage("1", tool_call_id="call-a"),
    AIMessage(
        "Let me.", invalid_tool_calls=[{"name": "calculate", "args": "{", "id": "call-b", "error": None, "type": "invalid_tool_call"}]
    ),
    ToolMessage("no", tool_call_id="call-b", status="error"),
    AIMessage([{"type": "text", "text": "One"}]),
    AIMessage("Two", name="bob"),
    AIMessage("Three", additional_kwargs={"audio": {"id": "s-1"}}),
    AIMessage("", additional_kwargs={"refusal": "No."}),
    HumanMessage(""),
]


async def test_a_conversation_is_put_the_same(models: tuple[LeanModel, OpenAIModel], provider: ProviderStub) -> None:
    await provider.script(Text("1", times=4))
    for prompt in (CONVERSATION, [message for message in CONVERSATION if isinstance(message.content, str)]):
        for model in models:
            await streamed(model, prompt, HeardAll(), hears=isinstance(model, LeanModel))
        asked = [request.body for request in await provider.requests()]
        assert asked[-2] == asked[-1]


class Watcher(AsyncCallbackHandler):
    """What tracing sees."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:  # noqa: ARG002  # the parent's names
        self.seen.append(("start", "hearer" in kwargs["invocation_params"], "tools" in kwargs["invocation_params"]))

    async def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ARG002
        self.seen.append(("end", response.generations[0][0].text))


async def test_callbacks_see_the_call_and_not_who_hears_it(models: tuple[LeanModel, OpenAIModel], provider: ProviderStub) -> None:
    await provider.script(Text("It is 84."))
    watcher, heard = Watcher(), HeardAll()
    await models[0].bind_tools(TOOLS).ainvoke(QUESTION, config={"callbacks": [watcher]}, hearer=heard)
    assert watcher.seen == [("start", False, True), ("end", "It is 84.")]
    assert joined(heard.heard) == [("token", "It is 84.")]


async def test_it_streams_as_any_other_model_does(models: tuple[LeanModel, OpenAIModel], provider: ProviderStub) -> None:
    await provider.script(Text("It is 84.", reasoning="Hm.", times=2))
    lean, stock = [[piece async for piece in model.astream(QUESTION)] for model in models]
    assert [piece.content for piece in lean] == [piece.content for piece in stock]
    assert [piece.usage_metadata for piece in lean] == [piece.usage_metadata for piece in stock]


async def test_who_hears_it_hears_it_too_when_a_callback_wants_the_chunks(
    models: tuple[LeanModel, OpenAIModel], provider: ProviderStub
) -> None:
    await provider.script(Text("It is 84."))
    heard = HeardAll()
    events = [event async for event in models[0].astream_events(QUESTION, version="v2", hearer=heard)]
    assert sum(event["event"] == "on_chat_model_stream" for event in events) >= 3
    assert joined(heard.heard) == [("token", "It is 84.")]


class Sum(BaseModel):
    """A sum."""

    result: int


async def test_structured_output_works_as_before(models: tuple[LeanModel, OpenAIModel], provider: ProviderStub) -> None:
    await provider.script(Text('{"result": 84}', times=2), ToolCalls([ToolCall("Sum", {"result": 84})], times=2))
    for method in ("json_schema", "function_calling"):
        for model in models:
            assert await model.with_structured_output(Sum, method=method).ainvoke(QUESTION) == Sum(result=84)


async def test_its_errors_are_ours_too(models: tuple[LeanModel, OpenAIModel], provider: ProviderStub) -> None:
    await provider.script(HttpError(429, retry_after="7", times=2))
    for model in models:
        with pytest.raises(ModelRateLimited) as refused:
            await model.with_structured_output(Sum, method="json_schema").ainvoke(QUESTION)
        assert refused.value.extra == {"retry_after": 7}


async def test_a_connection_is_used_again(models: tuple[LeanModel, OpenAIModel], provider: ProviderStub) -> None:
    await provider.script(Text("Yes.", times=5))
    for _ in range(5):
        await models[0].ainvoke(QUESTION)
    connections = models[0]._transport._http.connector._conns  # type: ignore[union-attr]  # nobody else tells
    assert [len(free) for free in connections.values()] == [1]


async def test_an_answer_whose_connection_breaks_after_its_end_is_whole() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = lines([*said("Yes."), STOP])
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body))
        await asyncio.sleep(0.03)
        writer.transport.abort()  # without the last chunk, which says that nothing follows

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_chat_model(ModelSpec(name="stub"), ModelSettings(OPENAI_BASE_URL=url), SecretStr("sk-test")) as model:
            assert (await streamed(model, QUESTION, HeardAll(), hears=True)).text == "Yes."


async def test_the_environments_proxy_is_asked_with_its_own_login_and_our_key(
    provider: ProviderStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + lines([*said("Yes."), STOP]))
        writer.close()

    async def asked(url: str) -> str:
        async with open_chat_model(ModelSpec(name="stub"), ModelSettings(OPENAI_BASE_URL=url), SecretStr("sk-test")) as model:
            return (await streamed(model, QUESTION, HeardAll(), hears=True)).text

    (tmp_path / "netrc").write_text("default login ada password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        monkeypatch.setenv("http_proxy", f"http://ada:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await asked("http://models.example/v1") == "Yes."
        await provider.script(Text("Directly."))
        assert await asked(provider.url) == "Directly."
    (head,) = heads
    assert head.startswith("POST http://models.example/v1/chat/completions ")
    assert "Authorization: Bearer sk-test\r\n" in head
    assert f"Proxy-Authorization: Basic {b64encode(b'ada:secret').decode()}\r\n" in head
