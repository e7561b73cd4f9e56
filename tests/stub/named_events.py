"""A stream of events that each have a name, as Anthropic's messages and OpenAI's responses are; the accidents are those of `wire`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import orjson

from tests.stub.answers import Answer, Hang, HttpError, Raw, Refusal, Streamed, words
from tests.stub.completions import pieces
from tests.stub.script import Script
from tests.stub.wire import Accident, Pause, Step, reply

type Event = Mapping[str, Any]

_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_END: Final = b"0\r\n\r\n"
_ACCIDENTS: Final = {"hang": Accident.HANG, "reset": Accident.RESET, "close": Accident.CLOSE}
_NOT_JSON: Final = b'event: message_delta\ndata: {"type": "mess\n\n'


def played(answer: Answer, events: Callable[[Streamed], tuple[Sequence[Event], Sequence[Event]]], refused: Event) -> Iterator[Step]:
    """Lay out an answer, given the events of a streamed one and those that end it; `refused` is an error's body, in the provider's form."""
    match answer:
        case HttpError():
            headers = [("retry-after", answer.retry_after)] if answer.retry_after is not None else []
            yield reply(answer.status, refused, *headers)
        case Hang() | Raw():
            yield Accident.HANG
        case _:
            yield _HEAD
            yield from _streamed(answer, *events(answer), refused)


def _streamed(answer: Streamed, told: Sequence[Event], end: Sequence[Event], refused: Event) -> Iterator[Step]:
    for event in islice(told, answer.after):
        if answer.seconds_between:
            yield Pause(answer.seconds_between)
        yield _frame(event)
    match answer.ending:
        case "hang" | "reset" | "close":
            yield _ACCIDENTS[answer.ending]
        case "error":
            yield _frame({"type": "error", **refused}) + _END
        case "not_json":
            yield _chunked(_NOT_JSON) + _END
        case "truncate":
            yield _END
        case "done":
            yield b"".join(map(_frame, end)) + _END


def _frame(event: Event) -> bytes:
    return _chunked(b"event: " + str(event["type"]).encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n")


def _chunked(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def next_answer(script: Script, said: str, unscripted: Answer) -> Answer:
    return script.take(said) or unscripted


def thoughts(answer: Streamed) -> Sequence[str]:
    return () if isinstance(answer, Refusal) else words(answer.reasoning)


def counted(answer: Streamed, asked: str) -> tuple[int, int, int]:
    """Words for tokens: read, written, and those of them thought."""
    thought = len(thoughts(answer))
    return len(asked.split()), len(pieces(answer)) + thought, thought
