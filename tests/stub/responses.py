"""OpenAI's Responses API, as far as its own client needs it: text, reasoning, tool calls, and what the real one would refuse."""

from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import orjson

from tests.stub.answers import HttpError, Streamed, Text, ToolCalls
from tests.stub.completions import pieces
from tests.stub.named_events import Event, counted, next_answer, played, thoughts
from tests.stub.script import Asked, Script
from tests.stub.wire import Step

_ITEMS: Final = {"message", "reasoning", "function_call", "function_call_output"}
_PARTS: Final = {"input_text", "output_text", "refusal", "input_image"}


def steps(asked: Asked, script: Script) -> Iterator[Step]:
    body = orjson.loads(asked.request.body)
    events = partial(_events, body, asked.number)
    if complaint := _complaint(body):
        return played(HttpError(HTTPStatus.BAD_REQUEST), events, _error(complaint))
    said = _last_words(body["input"])
    answer = next_answer(script, said, Text(f"You said: {said}"))
    message = answer.message if isinstance(answer, HttpError) else "The stub was told to fail."
    return played(answer, events, _error(message))


def sealed(thought: str) -> str:
    """A thought as only the provider can read it; it must come back unchanged."""
    return thought.encode().hex()


def _error(message: str) -> Event:
    # In a stream the words stand beside the event's type, in a refused request inside of `error`.
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}, "message": message, "code": "server_error"}


def _last_words(items: Sequence[dict[str, Any]]) -> str:
    return next((_text(item) for item in reversed(items) if item.get("role") == "user"), "")


def _text(item: dict[str, Any]) -> str:
    content = item["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _complaint(body: dict[str, Any]) -> str | None:
    called: set[str] = set()
    for item in body["input"]:
        kind = item.get("type", "message")
        contents = item["content"] if kind == "message" and isinstance(item["content"], list) else []
        if kind not in _ITEMS or any(part["type"] not in _PARTS for part in contents):
            return f"Invalid value in 'input': {kind} {[part['type'] for part in contents]}."
        if kind == "reasoning" and not str(item.get("encrypted_content", "")).startswith(sealed("thought ")):
            return "Item of type 'reasoning' not found: items are not kept when `store` is false."
        if kind == "function_call_output" and item["call_id"] not in called:
            return "No tool call found for function call output."
        called ^= {item["call_id"]} if "call_id" in item else set()
    return f"No tool output found for function calls {sorted(called)}." if called else None


def _events(body: dict[str, Any], number: int, answer: Streamed) -> tuple[Sequence[Event], Sequence[Event]]:
    read, written, thought = counted(answer, _last_words(body["input"]))
    response = _response(body, number)
    told: list[dict[str, Any]] = [{"type": "response.created", "response": response}]
    output: list[dict[str, Any]] = []
    for index, (item, events) in enumerate(_told(answer, number)):
        opening = item | {"content": [], "summary": [], "arguments": "", "status": "in_progress"}
        told.append({"type": "response.output_item.added", "output_index": index, "item": {key: opening[key] for key in item}})
        told += [{"output_index": index, "item_id": item["id"], **event} for event in events]
        told.append({"type": "response.output_item.done", "output_index": index, "item": item})
        output.append(item)
    usage = {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": read + written,
    }
    whole = response | {"status": "completed", "output": output, "usage": usage}
    numbered = [{**event, "sequence_number": place} for place, event in enumerate(told)]
    return numbered, [{"type": "response.completed", "response": whole, "sequence_number": len(numbered)}]


def _response(body: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": body["model"],
        "status": "in_progress",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "usage": None,
    }


def _told(answer: Streamed, number: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each item as it ends, and the events between its start and its end."""
    if thought := thoughts(answer):
        # Each paragraph of a thought is a part of its summary.
        parts = "".join(thought).split("\n\n")
        summary = [{"type": "summary_text", "text": part} for part in parts]
        item = {"type": "reasoning", "id": f"rs_{number}", "summary": summary, "encrypted_content": sealed(f"thought {number}")}
        yield item, [event for index, part in enumerate(parts) for event in _summary_events(index, part)]
    if said := pieces(answer):
        part = {"type": "output_text", "text": "".join(said), "annotations": []}
        deltas = [{"type": "response.output_text.delta", "content_index": 0, "delta": piece, "logprobs": []} for piece in said]
        done = {"type": "response.output_text.done", "content_index": 0, "text": part["text"], "logprobs": []}
        yield {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [part]}, [*deltas, done]
    for index, call in enumerate(answer.calls if isinstance(answer, ToolCalls) else ()):
        arguments = call.args if isinstance(call.args, str) else orjson.dumps(call.args).decode()
        halves = [arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]]
        item = {"type": "function_call", "id": f"fc_{number}_{index}", "call_id": call.id or f"call_{number}_{index}", "name": call.name}
        events: list[dict[str, Any]] = [{"type": "response.function_call_arguments.delta", "delta": half} for half in halves]
        yield item | {"arguments": arguments, "status": "completed"}, events


def _summary_events(index: int, part: str) -> Iterator[dict[str, Any]]:
    empty = {"type": "summary_text", "text": ""}
    yield {"type": "response.reasoning_summary_part.added", "summary_index": index, "part": empty}
    for piece in part.splitlines(keepends=True):
        yield {"type": "response.reasoning_summary_text.delta", "summary_index": index, "delta": piece}
