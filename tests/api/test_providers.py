"""What the model's provider is asked, what it costs, and what it may do to us."""

from typing import Final

import httpx
import pytest

from tests.stub.answers import HttpError, Raw, Text, ToolCall, ToolCalls
from tests.stub.chat import text_of as words_of
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of

NONSENSE: Final = (
    b"",
    b": nothing",
    b"data: 7",
    b"data: null",
    b"data: []",
    b"data: \xff\xfe",
    b'data: {"choices": []}',
    b'data: {"choices": 7}',
    b'data: {"choices": [7]}',
    b'data: {"choices": [{"delta": 7}]}',
    b'data: {"choices": [{"delta": {"content": 7}}]}',
    b'data: {"choices": [{"delta": {"reasoning_content": 7}}]}',
    b'data: {"choices": [{"delta": {"tool_calls": [{"index": "x"}]}}]}',
    b'data: {"choices": [], "usage": {"prompt_tokens": "many"}}',
    b'data: {"error": "canary"}',
)
# Nothing listens there.
REFUSED: Final = "http://127.0.0.1:1/v1"


async def test_the_named_model_is_asked_and_its_price_told(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Yes.", times=2))
    session = await ada.open_session()
    usage = (await ada.ask(session, "Ready?", model="gpt-5")).json()["usage"]
    assert (await provider.requests())[-1].body["model"] == usage["model"] == "gpt-5"
    assert usage["cost_usd"] == pytest.approx((usage["input_tokens"] * 1.25 + usage["output_tokens"] * 10) / 1_000_000)
    await ada.ask(session, "And now?")
    assert (await provider.requests())[-1].body["model"] == "stub"


async def test_the_usage_is_that_of_every_call_of_the_run(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "12*7"})], content="Let me see."), Text("It is 84."))
    usage = (await ada.ask(await ada.open_session(), "What is 12*7?")).json()["usage"]
    # The stub counts words, and a call as one.
    asked = [sum(len(words_of(dict(message)).split()) for message in request.messages) for request in await provider.requests()]
    assert len(asked) == 2
    assert (usage["input_tokens"], usage["output_tokens"]) == (sum(asked), 3 + 1 + 3)


async def test_what_a_model_thinks_aloud_is_kept_apart_from_its_answer(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Yes.", reasoning="Is it? It is."))
    session = await ada.open_session()
    events = await ada.stream(session, "Ready?")
    thought = "".join(event.data["content"] for event in events if event.type == "reasoning")
    kept = (await ada.messages(session))[-1]
    assert (thought, text_of(events)) == (kept["reasoning"], kept["content"]) == ("Is it? It is.", "Yes.")


async def test_the_longest_message_there_may_be_is_answered(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("I have read it."))
    session = await ada.open_session()
    assert (await ada.ask(session, "🚂" * 32_000)).status_code == httpx.codes.OK
    assert len((await provider.requests())[-1].messages[-1]["content"]) == 32_000
    assert len((await ada.messages(session))[0]["content"]) == 32_000


@pytest.mark.variables(OPENAI_BASE_URL=REFUSED)
async def test_a_provider_that_is_not_there_is_unavailable(ada: Visitor) -> None:
    session = await ada.open_session()
    refused = await ada.ask(session, "Hello")
    assert (refused.status_code, refused.json()["code"]) == (503, "model_unavailable")
    events = await ada.stream(session, "Hello")
    assert [event.data.get("code") or event.data["status"] for event in events[-2:]] == ["model_unavailable", "failed"]


async def test_a_stream_that_makes_no_sense_is_a_bad_answer(ada: Visitor, provider: ProviderStub) -> None:
    session = await ada.open_session()
    for body in NONSENSE:
        await provider.script(Raw([body + b"\n\ndata: [DONE]\n\n"]))
        refused = await ada.ask(session, "Hello")
        assert (refused.status_code, refused.json()["code"]) == (502, "model_bad_answer"), body


async def test_how_long_a_provider_wants_us_to_wait_is_told(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(HttpError(429, retry_after="7"), HttpError(429, retry_after="7"), HttpError(429, retry_after="soon"))
    session = await ada.open_session()
    refused = await ada.ask(session, "Hello")
    assert (refused.json()["retry_after"], refused.headers["retry-after"]) == (7, "7")
    told = [event.data["retry_after"] for event in await ada.stream(session, "Hello") if event.type == "error"]
    assert told == [7]
    assert "retry_after" not in (await ada.ask(session, "Hello")).json()
