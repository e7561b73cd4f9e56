"""Understand an answer by its bytes, after the clock has stopped."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson

from benchmarks.orders import Dialect

COMPLETED: Final = "completed"
_DONE: Final = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a client made of an answer: its text, when each token of it was there, and how it ended, `completed` if as it should."""

    text: str
    ended: str
    seen_at: Sequence[float] = ()
    token_frames: int = 0
    tool_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """The bytes of a response, with the moment at which so many of them were there."""

    status: int
    body: bytes
    lengths: Sequence[int]
    times: Sequence[float]
    dialect: Dialect
    whole: bool

    def heard(self) -> Heard:
        if self.status != HTTPStatus.OK:
            return Heard(text="", ended=f"HTTP {self.status}{_problem_code(self.body)}")
        if self.whole:
            return _hear_whole(self.body, self.dialect)
        return _hear_events(self) if self.dialect == "milepost" else _hear_chunks(self)

    def frames(self) -> Iterator[tuple[float, str, bytes]]:
        """When a frame's last byte had come, its event and its data."""
        end = 0
        for frame in self.body.split(b"\n\n")[:-1]:
            end += len(frame) + 2
            fields = dict(line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line and not line.startswith(b":"))
            if b"data" in fields:
                yield self.times[bisect_left(self.lengths, end)], fields.get(b"event", b"").decode(), fields[b"data"]


def _problem_code(body: bytes) -> str:
    """Our own word for it, where the refusal has one."""
    found = re.search(rb'"code":\s*"(\w+)"', body)
    return f" {found[1].decode()}" if found else ""


class _Tokens:
    """The text as it grows. Tokens end in a space, so that their times can be told however they were put into frames."""

    def __init__(self) -> None:
        self.text = ""
        self.seen_at: list[float] = []
        self.frames = 0

    def add(self, text: str, at: float) -> None:
        self.text += text
        self.seen_at += [at] * text.count(" ")
        self.frames += 1


def _hear_events(answer: HttpAnswer) -> Heard:
    """Read Milepost's events: `token` frames, then exactly one `end` that says completed."""
    tokens, ends, tool_calls = _Tokens(), list[str](), 0
    for at, event, content in answer.frames():
        match event:
            case "token":
                tokens.add(orjson.loads(content)["content"], at)
            case "reset":
                tokens = _Tokens()  # what came before is taken back
            case "tool_call":
                tool_calls += 1
            case "error" | "end":
                # An error's code stands before the end's status: `model_timeout, failed` says more than either.
                said = orjson.loads(content)
                ends.append(str(said.get("code") or said.get("status")))
    ended = ", ".join(ends) or "no end"
    return Heard(text=tokens.text, ended=ended, seen_at=tokens.seen_at, token_frames=tokens.frames, tool_calls=tool_calls)


def _hear_chunks(answer: HttpAnswer) -> Heard:
    """Read OpenAI's chunks, which is what a bare proxy hands on."""
    tokens = _Tokens()
    for at, _, content in answer.frames():
        choices = orjson.loads(content)["choices"] if content != b"[DONE]" else []
        if choices and (text := choices[0]["delta"].get("content")):
            tokens.add(text, at)
    ended = COMPLETED if answer.body.endswith(_DONE) else "no end"
    return Heard(text=tokens.text, ended=ended, seen_at=tokens.seen_at, token_frames=tokens.frames)


def _hear_whole(body: bytes, dialect: Dialect) -> Heard:
    said: dict[str, Any] = orjson.loads(body)
    if dialect == "milepost":
        return Heard(text=said["message"]["content"], ended=said["status"])
    return Heard(text=said["choices"][0]["message"]["content"], ended=COMPLETED)
