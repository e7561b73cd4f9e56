"""Answers in OpenAI's words: the deltas of a stream, the message of a whole answer, the usage of both."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from tests.stub.answers import Refusal, Streamed, Text, ToolCall, ToolCalls, words
from tests.stub.chat import ChatRequest, text_of

type Delta = dict[str, Any]


def completion_id(number: int) -> str:
    """Name an answer; two must never share an id, and all ids have one length."""
    return f"chatcmpl-{number:012d}"


def chunk(model: str, number: int) -> dict[str, Any]:
    return {
        "id": completion_id(number),
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": model,
        "system_fingerprint": "fp_stub",
    }


def pieces(answer: Streamed) -> Sequence[str]:
    return (answer.pieces if isinstance(answer, Text) else ()) or words(answer.content)


def deltas(answer: Streamed, number: int) -> Iterator[Delta]:
    if not isinstance(answer, Refusal):
        yield from ({"reasoning_content": piece} for piece in words(answer.reasoning))
    yield from ({"refusal" if isinstance(answer, Refusal) else "content": piece} for piece in pieces(answer))
    if isinstance(answer, ToolCalls):
        for index, call in enumerate(answer.calls):
            yield from _call_deltas(call, index, number, answer.argument_pieces)


def _call_deltas(call: ToolCall, index: int, number: int, pieces: int) -> Iterator[Delta]:
    opening = _call(call, index, number)
    arguments = opening["function"]["arguments"]
    opening["function"]["arguments"] = ""
    yield {"tool_calls": [{"index": index, **opening}]}
    size = max(1, -(-len(arguments) // pieces))
    for start in range(0, len(arguments), size):
        yield {"tool_calls": [{"index": index, "function": {"arguments": arguments[start : start + size]}}]}


def _call(call: ToolCall, index: int, number: int) -> dict[str, Any]:
    arguments = call.args if isinstance(call.args, str) else orjson.dumps(call.args).decode()
    return {"id": call.id or f"call_{number}_{index}", "type": "function", "function": {"name": call.name, "arguments": arguments}}


def finish_reason(answer: Streamed) -> str:
    match answer:
        case ToolCalls():
            return "tool_calls"
        case Text():
            return answer.finish_reason
        case Refusal():
            return "stop"


def usage(answer: Streamed, request: ChatRequest) -> dict[str, Any]:
    """Count words for tokens, which is deterministic and near enough."""
    asked = sum(len(text_of(message).split()) for message in request.messages)
    reasoning = 0 if isinstance(answer, Refusal) else len(words(answer.reasoning))
    answered = len(pieces(answer)) + reasoning + (len(answer.calls) if isinstance(answer, ToolCalls) else 0)
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def message(answer: Streamed, number: int) -> dict[str, Any]:
    said = "".join(pieces(answer))
    whole: dict[str, Any] = {"role": "assistant", "content": said or None, "refusal": None}
    match answer:
        case Refusal():
            whole |= {"content": None, "refusal": said}
        case ToolCalls():
            whole["tool_calls"] = [_call(call, index, number) for index, call in enumerate(answer.calls)]
        case Text():
            whole |= {"reasoning_content": answer.reasoning} if answer.reasoning else {}
    return whole
