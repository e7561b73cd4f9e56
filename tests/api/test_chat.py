"""A message in, a streamed answer out."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.conftest import Server
from tests.stub.answers import Answer, Hang, HttpError, Raw, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of, types_of

# In what the provider says when it fails; it must reach nobody.
CANARY: Final = "canary-7461"
DONE: Final = b"data: [DONE]\n\n"
_IMPATIENT: Final = pytest.mark.variables(LLM_IDLE_SECONDS="2")

TROUBLES: Final[dict[str, tuple[Answer, str, int]]] = {
    "bad key": (HttpError(401, message=CANARY), "model_auth_failed", 502),
    "bad request": (HttpError(400, message=CANARY), "model_rejected", 502),
    "rate limit": (HttpError(429, message=CANARY, retry_after="7"), "model_rate_limited", 503),
    "server error": (HttpError(500, message=CANARY), "model_unavailable", 503),
    "no headers": (Hang(), "model_timeout", 504),
    "silence in mid-stream": (Text("one two three", ending="hang", after=2), "model_timeout", 504),
    "reset in mid-stream": (Text("one two three", ending="reset", after=2), "model_unavailable", 503),
    "close in mid-stream": (Text("one two three", ending="close", after=2), "model_unavailable", 503),
    "truncated": (Text("one two three", ending="truncate", after=2), "model_bad_answer", 502),
    "error object in mid-stream": (Text("one two three", ending="error", after=2), "model_bad_answer", 502),
    "no JSON in mid-stream": (Text("one two three", ending="not_json", after=2), "model_bad_answer", 502),
    "garbage": (Raw([b"<html>" + CANARY.encode()], content_type="text/html"), "model_bad_answer", 502),
}


async def test_an_answer_streams_token_by_token_and_is_in_the_transcript(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("The train leaves at noon."))
    session = await ada.open_session()
    events = await ada.stream(session, "When does it leave?")
    assert [event.id for event in events] == [*range(1, len(events) + 1)]
    assert types_of(events) == ["start", "token", "usage", "end"]
    assert text_of(events) == "The train leaves at noon."
    asked, answered = await ada.messages(session)
    assert (asked["role"], asked["content"]) == ("user", "When does it leave?")
    assert (answered["role"], answered["content"], answered["status"]) == ("assistant", "The train leaves at noon.", "completed")
    assert answered["id"] == events[-1].data["message_id"]


async def test_the_stream_is_one_that_proxies_pass_on(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Yes."))
    session = await ada.open_session()
    async with ada.http.stream("POST", f"/sessions/{session}/chat/stream", json={"message": "Ready?"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        assert "no-cache" in answer.headers["cache-control"]
        assert answer.headers["x-request-id"]
        await answer.aread()


async def test_a_whole_answer_says_what_it_cost(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Four words make this."))
    session = await ada.open_session()
    answer = (await ada.ask(session, "Hello")).json()
    assert answer["message"]["content"] == "Four words make this."
    assert answer["status"] == "completed"
    assert answer["usage"]["model"] == "stub"
    assert answer["tokens_used"] == answer["usage"]["input_tokens"] + answer["usage"]["output_tokens"] > 0
    assert answer["usage"]["cost_usd"] is None


async def test_the_model_reads_what_was_said_before(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Nice to meet you."), Text("You are Ada."))
    session = await ada.open_session()
    await ada.ask(session, "I am Ada.")
    await ada.ask(session, "Who am I?")
    asked = (await provider.requests())[-1].messages
    assert [message["role"] for message in asked] == ["system", "user", "assistant", "user"]
    assert [message["content"] for message in asked[1:]] == ["I am Ada.", "Nice to meet you.", "Who am I?"]


async def test_a_tool_is_called_shown_and_answered(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "12*7"})], content="Let me see."), Text("It is 84."))
    session = await ada.open_session()
    events = await ada.stream(session, "What is 12*7?")
    assert types_of(events) == ["start", "token", "tool_call", "tool_result", "token", "usage", "end"]
    call = next(event.data for event in events if event.type == "tool_call")
    result = next(event.data for event in events if event.type == "tool_result")
    assert (call["name"], call["args"]) == ("calculate", {"expression": "12*7"})
    assert (result["id"], result["content"], result["is_error"]) == (call["id"], "84", False)
    answered = (await ada.messages(session))[-1]
    assert answered["content"] == text_of(events) == "Let me see.\n\nIt is 84."
    assert answered["tool_calls"] == [{**call, "content": "84", "is_error": False}]


async def test_a_tool_that_does_not_exist_or_misunderstands_does_not_end_the_turn(ada: Visitor, provider: ProviderStub) -> None:
    calls = ToolCalls([ToolCall("no_such_tool", {}), ToolCall("calculate", {"wrong": 1}), ToolCall("web_search", {"query": "weather"})])
    await provider.script(calls, Text("I go on without."))
    events = await ada.stream(await ada.open_session(), "Try")
    results = [event.data for event in events if event.type == "tool_result"]
    assert [result["is_error"] for result in results] == [True, True, True]
    assert text_of(events) == "I go on without."


@_IMPATIENT
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_providers_trouble_is_one_error_and_one_end(trouble: str, ada: Visitor, provider: ProviderStub) -> None:
    answer, code, _ = TROUBLES[trouble]
    await provider.script(answer, Text("Back again."))
    session = await ada.open_session()
    events = await ada.stream(session, "Hello")
    assert [event.data["code"] for event in events if event.type == "error"] == [code]
    assert [event.type for event in events].count("end") == 1
    assert (events[-1].type, events[-1].data["status"]) == ("end", "failed")
    assert CANARY not in str(events)
    failed = (await ada.messages(session))[-1]
    assert (failed["status"], failed["content"]) == ("failed", text_of(events))
    assert text_of(await ada.stream(session, "Again")) == "Back again."


@_IMPATIENT
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_providers_trouble_is_a_problem_document(trouble: str, ada: Visitor, provider: ProviderStub) -> None:
    answer, code, status = TROUBLES[trouble]
    await provider.script(answer)
    response = await ada.ask(await ada.open_session(), "Hello")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    assert CANARY not in response.text


async def test_a_tool_call_without_an_id_is_answered_all_the_same(ada: Visitor, provider: ProviderStub) -> None:
    call = {"index": 0, "function": {"name": "calculate", "arguments": '{"expression": "6*7"}'}}
    await provider.script(Raw([_chunk({"role": "assistant", "tool_calls": [call]}), _chunk({}, "tool_calls"), DONE]), Text("It is 42."))
    events = await ada.stream(await ada.open_session(), "What is 6*7?")
    assert [event.data["content"] for event in events if event.type == "tool_result"] == ["42"]
    assert text_of(events) == "It is 42."


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    document = {"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
    return f"data: {json.dumps(document)}\n\n".encode()


@pytest.mark.variables(HEARTBEAT_SECONDS="0.1")
async def test_a_silent_provider_is_bridged_by_heartbeats(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Slow but sure.", seconds_between=0.5))
    path = f"/sessions/{await ada.open_session()}/chat/stream"
    async with ada.http.stream("POST", path, json={"message": "Hello"}) as answer:
        lines = [line async for line in answer.aiter_lines()]
    assert lines.count(": ping") >= 2


async def test_of_twenty_messages_at_once_one_is_answered(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Only you.", seconds_between=0.3))
    session = await ada.open_session()
    answers = await asyncio.gather(*(ada.ask(session, f"Me, number {number}") for number in range(20)))
    refused = [answer.json() for answer in answers if answer.status_code != httpx.codes.OK]
    assert [answer.json()["message"]["content"] for answer in answers if answer.status_code == httpx.codes.OK] == ["Only you."]
    assert {problem["code"] for problem in refused} == {"session_busy"}
    assert all(problem["active_run_id"] and problem["retry_after"] for problem in refused)
    assert len(await ada.messages(session)) == 2


@pytest.mark.variables(MAX_LIVE_RUNS="1")
async def test_more_runs_than_the_server_may_have_are_told_to_come_back(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Busy now.", ending="hang", after=1))
    one, other = await ada.open_session(), await ada.open_session()
    async with ada.streaming(one, "First", on_disconnect="cancel") as events:
        await anext(events)
        refused = await ada.ask(other, "Second")
    assert (refused.status_code, refused.json()["code"]) == (503, "server_busy")
    assert refused.headers["retry-after"] == "1"


async def test_a_model_that_does_not_exist_is_named_with_those_that_do(ada: Visitor) -> None:
    refused = await ada.ask(await ada.open_session(), "Hello", model="gpt-99")
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_model")
    assert "stub" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"message": ""}, "message", "1 character"),
        ({"message": " \n\t\u2003"}, "message", "must not be empty"),
        ({"message": "x" * 32_001}, "message", "at most 32000 characters"),
        ({"message": "nul\0"}, "message", "NUL"),
        ({"message": 7}, "message", "string"),
        ({}, "message", "required"),
        ({"message": "x", "surprise": 1}, "surprise", "not permitted"),
        ({"message": "x", "model": "x" * 201}, "model", "at most 200 characters"),
        ({"message": "x", "on_busy": "shout"}, "on_busy", "'rollback'"),
    ],
)
async def test_a_bad_message_is_refused_with_its_field_named_once(body: dict[str, object], field: str, words: str, ada: Visitor) -> None:
    session = await ada.open_session()
    for path in ("chat", "chat/stream", "runs"):
        refused = await ada.http.post(f"/sessions/{session}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"], refused.json()["detail"]) == (422, "invalid_input", f"Not valid: {field}.")
        [fault] = refused.json()["errors"]
        assert (fault["field"], words in fault["message"]) == (field, True), fault
    assert await ada.messages(session) == []


@pytest.mark.parametrize("body", [b'{"message": "\\ud800"}', b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 50_000])
async def test_a_body_that_is_no_message_is_refused(body: bytes, ada: Visitor) -> None:
    headers = {"Content-Type": "application/json"}
    refused = await ada.http.post(f"/sessions/{await ada.open_session()}/chat", content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


async def test_a_body_that_is_too_large_is_refused_declared_or_not(ada: Visitor) -> None:
    path = f"/sessions/{await ada.open_session()}/chat"

    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    declared = await ada.http.post(path, content=b"x" * 1_000_001)
    undeclared = await ada.http.post(path, content=in_pieces())
    assert [declared.status_code, undeclared.status_code] == [413, 413]
    assert declared.json()["code"] == undeclared.json()["code"] == "body_too_large"


@pytest.mark.variables(BODY_SECONDS="0.3")
async def test_a_body_that_does_not_come_is_not_waited_for(ada: Visitor, server: Server) -> None:
    address = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    async with asyncio.timeout(10):
        answer = await reader.read()  # up to its end: the connection is closed
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_too_slow"' in answer
    assert await ada.open_session()


async def test_text_comes_back_exactly_as_sent(ada: Visitor, provider: ProviderStub) -> None:
    text = "  <script>alert(1)</script> {date} ${x} %s '; DROP TABLE message; -- \r\n\t\x01\x7f ünï 🚂 \u202e " + "x" * 1000
    await provider.script(Text(pieces=[text]))
    session = await ada.open_session()
    events = await ada.stream(session, text)
    assert text_of(events) == text
    assert [message["content"] for message in await ada.messages(session)] == [text, text]
    assert (await provider.requests())[-1].messages[-1]["content"] == text


async def test_what_postgres_cannot_hold_does_not_break_an_answer(ada: Visitor, provider: ProviderStub) -> None:
    chunk = b'data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":"a\\u0000b\\ud83dc"},"finish_reason":null}]}\n\n'
    stop = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    await provider.script(Raw([chunk, stop]))
    session = await ada.open_session()
    events = await ada.stream(session, "Hello")
    assert events[-1].data["status"] == "completed"
    assert text_of(events) == "a\ufffdb\ufffdc" == (await ada.messages(session))[-1]["content"]


async def test_a_database_that_refuses_is_a_problem_and_not_a_traceback(ada: Visitor, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE message ADD CONSTRAINT canary CHECK (length(content) > 1000) NOT VALID")
    refused = await ada.ask(await ada.open_session(), "Hello")
    assert (refused.status_code, refused.json()["code"]) == (500, "database_refused")
    assert refused.headers["x-request-id"] == refused.json()["request_id"]
    assert "canary" not in refused.text


async def test_an_event_log_that_cannot_be_written_ends_the_run_and_not_the_server(
    ada: Visitor, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text("Word by word into nowhere.", seconds_between=0.3), Text("Written again."))
    session = await ada.open_session()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE run_event ADD CONSTRAINT canary CHECK (last_sequence < 0) NOT VALID")
        events = await ada.stream(session, "Hello")
        assert [event.data["code"] for event in events if event.type == "error"] == ["database_refused"]
        assert events[-1].data["status"] == "failed"
        connection.execute("ALTER TABLE run_event DROP CONSTRAINT canary")
    assert text_of(await ada.stream(await ada.open_session(), "And now?")) == "Written again."
