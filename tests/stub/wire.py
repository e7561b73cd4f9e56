"""Answers as bytes: OpenAI's chunks in HTTP's chunks, with the pauses and the accidents between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import orjson

from tests.stub.answers import Answer, Hang, HttpError, Raw, Streamed, Text
from tests.stub.chat import ChatRequest
from tests.stub.completions import Delta, chunk, completion_id, deltas, finish_reason, message, pieces, usage


class Accident(Enum):
    HANG = auto()
    RESET = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


type Step = bytes | Pause | Accident

_STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_BROKEN_LINE: Final = b'data: {"id": "chatcmpl-stub", "choices": [{"delta": {"cont\n\n'
_ERROR_LINE: Final = b'data: {"error": {"message": "The stub was told to fail.", "type": "server_error", "param": null, "code": null}}\n\n'
_ACCIDENTS: Final = {"hang": Accident.HANG, "reset": Accident.RESET, "close": Accident.CLOSE}


def steps(answer: Answer, request: ChatRequest, number: int) -> Iterator[Step]:
    """Lay out what goes over the connection; `number` makes the ids of tool calls unique."""
    match answer:
        case HttpError():
            yield _refused(answer)
        case Hang():
            yield Accident.HANG
        case Raw():
            yield from _raw(answer)
        case _ if request.stream:
            yield from _streamed(answer, request, number)
        case _:
            yield from _whole(answer, request, number)


def reply(status: int, body: object, *headers: tuple[str, str]) -> bytes:
    """A complete JSON response."""
    content = orjson.dumps(body)
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase if status in HTTPStatus else ''}",
        "content-type: application/json",
        f"content-length: {len(content)}",
    ]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


def error(status: int, message: str, code: str | None = None, *headers: tuple[str, str]) -> bytes:
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    return reply(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, *headers)


def _refused(answer: HttpError) -> bytes:
    headers = [("retry-after", answer.retry_after)] if answer.retry_after is not None else []
    return error(answer.status, answer.message, answer.code, *headers)


def _raw(answer: Raw) -> Iterator[Step]:
    yield f"HTTP/1.1 200 OK\r\ncontent-type: {answer.content_type}\r\nconnection: close\r\n\r\n".encode()
    for piece in answer.pieces:
        yield from (Pause(answer.seconds_between), piece)
    yield Accident.CLOSE


def _streamed(answer: Streamed, request: ChatRequest, number: int) -> Iterator[Step]:
    yield _STREAM_HEAD + _frame(request, number, {"role": "assistant", "content": ""})
    for frame in _frames(answer, request, number)[: answer.after]:
        if answer.seconds_between:
            yield Pause(answer.seconds_between)
        yield frame
    yield from _ending(answer, request, number)


def _frames(answer: Streamed, request: ChatRequest, number: int) -> Sequence[bytes]:
    if isinstance(answer, Text) and not answer.reasoning:
        anonymous, named = completion_id(0).encode(), completion_id(number).encode()
        return [frame.replace(anonymous, named, 1) for frame in _text_frames(request.model, tuple(pieces(answer)), request.wants_usage)]
    return [_frame(request, number, delta) for delta in deltas(answer, number)]


@lru_cache(maxsize=64)
def _text_frames(model: str, pieces: tuple[str, ...], with_usage: bool) -> Sequence[bytes]:  # a key of the cache
    # Benchmarks ask for the same hundred tokens thousands of times, on the cores they measure.
    return tuple(_event(_delta_chunk(model, 0, {"content": piece}, with_usage=with_usage)) for piece in pieces)


def _ending(answer: Streamed, request: ChatRequest, number: int) -> Iterator[Step]:
    match answer.ending:
        case "hang" | "reset" | "close":
            yield _ACCIDENTS[answer.ending]
        case "error":
            yield _chunked(_ERROR_LINE) + _LAST_CHUNK
        case "not_json":
            yield _chunked(_BROKEN_LINE) + _LAST_CHUNK
        case "truncate":
            yield _LAST_CHUNK
        case "done":
            yield _finish(answer, request, number)


def _finish(answer: Streamed, request: ChatRequest, number: int) -> bytes:
    last = _frame(request, number, {}, finish_reason(answer))
    if request.wants_usage:
        last += _event(chunk(request.model, number) | {"choices": [], "usage": usage(answer, request)})
    return last + _chunked(b"data: [DONE]\n\n") + _LAST_CHUNK


def _frame(request: ChatRequest, number: int, delta: Delta, finish_reason: str | None = None) -> bytes:
    return _event(_delta_chunk(request.model, number, delta, finish_reason, with_usage=request.wants_usage))


def _delta_chunk(model: str, number: int, delta: Delta, finish_reason: str | None = None, *, with_usage: bool) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return chunk(model, number) | {"choices": [choice]} | ({"usage": None} if with_usage else {})


def _event(chunk: dict[str, Any]) -> bytes:
    return _chunked(b"data: " + orjson.dumps(chunk) + b"\n\n")


def _chunked(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _whole(answer: Streamed, request: ChatRequest, number: int) -> Iterator[Step]:
    """The same answer without a stream: its accidents happen before the first byte, or in the only one."""
    yield Pause(answer.seconds_between * len(pieces(answer)))
    match answer.ending:
        case "hang" | "reset" | "close":
            yield _ACCIDENTS[answer.ending]
        case "error":
            yield error(HTTPStatus.INTERNAL_SERVER_ERROR, "The stub was told to fail.")
        case "not_json" | "truncate":
            yield _completion(answer, request, number).replace(b'"choices"', b'"choices', 1)
        case "done":
            yield _completion(answer, request, number)


def _completion(answer: Streamed, request: ChatRequest, number: int) -> bytes:
    choice = {"index": 0, "message": message(answer, number), "logprobs": None, "finish_reason": finish_reason(answer)}
    return reply(
        HTTPStatus.OK, chunk(request.model, number) | {"object": "chat.completion", "choices": [choice], "usage": usage(answer, request)}
    )
