"""`python -m benchmarks.provider`: the stub's answers from a server that costs next to nothing, and knows when it sent each token.

It thinks as `tests.stub` does and shares its bytes; only what is between those and the socket is its own.
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Final, cast

import httpx
import psutil
import uvloop

from benchmarks.processes import ROOT, stop
from benchmarks.scenario import WANTS_TOOL
from tests.stub import wire
from tests.stub.answers import Answer, Text, ToolCall, ToolCalls
from tests.stub.chat import ChatRequest, unscripted
from tests.stub.wire import Pause, Step

_TOOL_CALL: Final = ToolCalls((ToolCall("current_time", {}),))
_BACKLOG: Final = 1_024


@dataclass(slots=True)
class Account:
    """What was asked and when paced tokens were sent, by the question they answer."""

    calls: int = 0
    tool_calls: int = 0
    sent_at: dict[str, list[float]] = field(default_factory=dict)

    def settled(self) -> "Account":
        """Hand over what there is, and begin anew."""
        past = Account(calls=self.calls, tool_calls=self.tool_calls, sent_at=self.sent_at)
        self.calls, self.tool_calls, self.sent_at = 0, 0, {}
        return past


class _Connection(asyncio.Protocol):
    """One request after the other; each token is a write of its own, and other streams get their turn between two of them."""

    _transport: asyncio.Transport

    def __init__(self, account: Account, numbers: Iterator[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._account = account
        self._numbers = numbers
        self._received = bytearray()
        self._steps: Iterator[Step] | None = None
        self._paced = False
        self._due_at = 0.0
        self._written_at: list[float] = []
        self._question = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's name
        self._steps = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._read_request()

    def _read_request(self) -> None:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if found and len(rest) >= length and self._steps is None:
            self._received = rest[length:]
            self._answer(bytes(head), bytes(rest[:length]))

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /_account "):
            self._transport.write(wire.reply(HTTPStatus.OK, self._account.settled()))
            return
        if not head.startswith(b"POST /v1/chat/completions "):
            self._transport.write(wire.error(HTTPStatus.NOT_FOUND, "This stub completes chats."))
            return
        request = ChatRequest.model_validate_json(body)
        if complaint := request.complaint():
            self._transport.write(wire.error(HTTPStatus.BAD_REQUEST, complaint))
            return
        answer = answer_to(request, may_call=b'"tools"' in body)
        self._account.calls += 1
        self._account.tool_calls += isinstance(answer, ToolCalls)
        self._paced = request.stream and isinstance(answer, Text) and answer.seconds_between > 0
        self._question, self._written_at, self._due_at = request.last_user_text, [], self._loop.time()
        self._steps = wire.steps(answer, request, next(self._numbers))
        self._go_on()

    def _go_on(self) -> None:
        """Send what is due; a pause counts from when the last one should have ended, so that a late token makes no other late."""
        if self._steps is None:
            return
        for step in self._steps:
            if isinstance(step, Pause):
                self._due_at += step.seconds
                self._loop.call_at(self._due_at, self._go_on)
                return
            assert isinstance(step, bytes)
            self._written_at.append(time.monotonic())
            self._transport.write(step)
            if not self._paced:
                self._loop.call_soon(self._go_on)
                return
        self._end()

    def _end(self) -> None:
        self._steps = None
        if self._paced:
            self._account.sent_at[self._question] = self._written_at[1:-1]  # between the opening chunk and the closing one
        self._read_request()


def answer_to(request: ChatRequest, *, may_call: bool) -> Answer:
    """Call the tool that the question's words ask for, once; else do as the model's name says."""
    wants = may_call and not request.answers_a_tool and request.last_user_text.endswith(WANTS_TOOL)
    return _TOOL_CALL if wants else unscripted(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The stub in its process; `url` is what a client takes for its base_url."""

    url: str
    process: psutil.Process

    def account(self) -> Account:
        """What has happened since it was last asked for."""
        return Account(**httpx.get(f"{self.url.removesuffix('/v1')}/_account", trust_env=False).raise_for_status().json())


@contextmanager
def start_provider() -> Iterator[Provider]:
    command = (sys.executable, "-m", "benchmarks.provider")
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:  # noqa: S603  # our own module
        try:
            assert process.stdout is not None
            yield Provider(url=f"http://127.0.0.1:{int(process.stdout.readline())}/v1", process=psutil.Process(process.pid))
        finally:
            stop(process)


async def _serve() -> None:
    account, numbers = Account(), count(1)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(account, numbers), "127.0.0.1", 0, backlog=_BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    await server.serve_forever()


def _leave_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(_serve())
