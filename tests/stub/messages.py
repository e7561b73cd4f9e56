"""Anthropic's messages, as far as its own client needs them: text, thinking, tool use, and what the real one would refuse."""

from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

import orjson

from tests.stub.answers import HttpError, Streamed, Text, ToolCalls
from tests.stub.completions import pieces
from tests.stub.named_events import Event, counted, next_answer, played, thoughts
from tests.stub.script import Asked, Script
from tests.stub.wire import Step

# What a block of a request may hold; Anthropic refuses any other key.
_KEYS: Final = {
    "text": {"type", "text", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
    "tool_use": {"type", "id", "name", "input", "cache_control"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
}
_KINDS: Final = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}


def steps(asked: Asked, script: Script) -> Iterator[Step]:
    body = orjson.loads(asked.request.body)
    if complaint := _complaint(body["messages"]):
        return played(HttpError(HTTPStatus.BAD_REQUEST), partial(_events, body, asked.number), _error(HTTPStatus.BAD_REQUEST, complaint))
    said = _last_words(body["messages"])
    answer = next_answer(script, said, Text(f"You said: {said}"))
    refused = _error(answer.status, answer.message) if isinstance(answer, HttpError) else _error(529, "The stub was told to fail.")
    return played(answer, partial(_events, body, asked.number), refused)


def signature(thinking: str) -> str:
    """What proves that a thought was the model's; it must come back unchanged."""
    return sha256(thinking.encode()).hexdigest()


def _error(status: int, message: str) -> Event:
    return {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}}


def _blocks(message: dict[str, Any]) -> Sequence[dict[str, Any]]:
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def _last_words(messages: Sequence[dict[str, Any]]) -> str:
    said = ("".join(block.get("text", "") for block in _blocks(message)) for message in reversed(messages) if message["role"] == "user")
    return next(filter(None, said), "")


def _complaint(messages: Sequence[dict[str, Any]]) -> str | None:
    open_calls: set[str] = set()
    for message in messages:
        for block in _blocks(message):
            if unknown := set(block) - _KEYS.get(block["type"], {"type"}):
                return f"messages.content: extra inputs are not permitted: {block['type']}: {sorted(unknown)}"
            if block["type"] == "thinking" and block.get("signature") != signature(block["thinking"]):
                return "messages.content: invalid `signature` in `thinking` block"
        answered = {block["tool_use_id"] for block in _blocks(message) if block["type"] == "tool_result"}
        if answered != open_calls:
            return "messages: `tool_use` ids were found without `tool_result` blocks immediately after, or the other way round"
        open_calls = {block["id"] for block in _blocks(message) if block["type"] == "tool_use"}
    return None


def _events(body: dict[str, Any], number: int, answer: Streamed) -> tuple[Sequence[Event], Sequence[Event]]:
    read, written, _ = counted(answer, _last_words(body["messages"]))
    message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"], "content": [], "stop_reason": None}
    usage = {"input_tokens": read, "output_tokens": 1, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    begin: list[Event] = [{"type": "message_start", "message": {**message, "stop_sequence": None, "usage": usage}}, {"type": "ping"}]
    told = [event for index, block in enumerate(_told(answer, number)) for event in _block_events(index, *block)]
    stop = {"stop_reason": "tool_use" if isinstance(answer, ToolCalls) else "end_turn", "stop_sequence": None}
    end: list[Event] = [{"type": "message_delta", "delta": stop, "usage": {**usage, "output_tokens": written}}, {"type": "message_stop"}]
    return [*begin, *told], end


def _told(answer: Streamed, number: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it starts, and its deltas."""
    if thinking := thoughts(answer):
        signed = {"type": "signature_delta", "signature": signature("".join(thinking))}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in thinking]
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
    if said := pieces(answer):
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in said]
    for index, call in enumerate(answer.calls if isinstance(answer, ToolCalls) else ()):
        arguments = call.args if isinstance(call.args, str) else orjson.dumps(call.args).decode()
        parts = [arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]]
        opening = {"type": "tool_use", "id": call.id or f"toolu_{number}_{index}", "name": call.name, "input": {}}
        yield opening, [{"type": "input_json_delta", "partial_json": part} for part in parts]


def _block_events(index: int, block: dict[str, Any], deltas: Sequence[dict[str, Any]]) -> Iterator[Event]:
    yield {"type": "content_block_start", "index": index, "content_block": block}
    yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
    yield {"type": "content_block_stop", "index": index}
