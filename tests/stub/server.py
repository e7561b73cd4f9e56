"""The stub's server: asyncio streams and bytes prepared beforehand, because benchmarks measure beside it."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from tests.stub import messages, responses, wire
from tests.stub.answers import ANSWERS
from tests.stub.chat import ChatRequest, unscripted
from tests.stub.http import BadRequest, ClientReader, HttpRequest, read_request
from tests.stub.script import Asked, Script, ScriptFull
from tests.stub.wire import Accident, Pause, Step

MAX_CONNECTIONS: Final = 4_000
MAX_HANG_SECONDS: Final = 300

_MODELS: Final = {
    "object": "list",
    "data": [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "stub"} for name in ("stub", "stub-100", "stub-100x20")],
}
# What is asked of a model, and how; None is the chat completions below.
_CHATS: Final[Mapping[str, Callable[[Asked, Script], Iterator[Step]] | None]] = {
    "POST /v1/chat/completions": None,
    "POST /v1/messages": messages.steps,
    "POST /v1/responses": responses.steps,
}
# Lingering for no time turns a close into a reset.
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Stub:
    """Answer every connection from one script."""

    def __init__(self) -> None:
        self._script = Script()
        self._open = 0
        self._accepted = 0

    async def serve_connection(self, reader: ClientReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        self._accepted += 1
        number = self._accepted
        try:
            while self._open <= MAX_CONNECTIONS and (request := await read_request(reader)):
                if not await self._answer(request, number, reader, writer):
                    break
        except BadRequest as problem:
            writer.write(wire.error(HTTPStatus.BAD_REQUEST, str(problem), None, ("connection", "close")))
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, request: HttpRequest, connection: int, reader: ClientReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; say whether the connection is good for another."""
        if request.route not in _CHATS:
            writer.write(self._control(request))
            return True
        asked = self._script.remember(request, connection)
        playing = asyncio.create_task(_play(self._chat(asked), writer))
        hanging_up = asyncio.create_task(reader.gone.wait())
        await asyncio.wait((playing, hanging_up), return_when=asyncio.FIRST_COMPLETED)
        asked.answered = playing.done() and playing.exception() is None
        asked.closed_early = not asked.answered
        await _stop(hanging_up)
        await _stop(playing)
        return asked.answered and playing.result()

    def _chat(self, asked: Asked) -> Iterator[Step]:
        if protocol := _CHATS[asked.request.route]:
            return protocol(asked, self._script)
        try:
            request = ChatRequest.model_validate_json(asked.request.body)
        except ValidationError:
            return iter([wire.error(HTTPStatus.BAD_REQUEST, "This is no chat completion request.")])
        if complaint := request.complaint():
            return iter([wire.error(HTTPStatus.BAD_REQUEST, complaint)])
        answer = self._script.take(request.last_user_text) or unscripted(request)
        return wire.steps(answer, request, asked.number)

    def _control(self, request: HttpRequest) -> bytes:
        match request.route:
            case "GET /v1/models":
                return wire.reply(HTTPStatus.OK, _MODELS)
            case "POST /_script":
                return self._extend(request.body)
            case "GET /_requests":
                return wire.reply(HTTPStatus.OK, [asked.as_json() for asked in self._script.asked()])
            case "DELETE /_script":
                self._script.clear()
                return wire.reply(HTTPStatus.OK, {})
            case _:
                return wire.error(HTTPStatus.NOT_FOUND, f"There is no {request.route}.")

    def _extend(self, body: bytes) -> bytes:
        try:
            self._script.add(ANSWERS.validate_json(body))
        except ValidationError as problem:
            return wire.error(HTTPStatus.BAD_REQUEST, str(problem))
        except ScriptFull:
            return wire.error(HTTPStatus.BAD_REQUEST, "Too many answers are waiting.")
        return wire.reply(HTTPStatus.OK, {})


async def _stop(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.wait((task,))


async def _play(steps: Iterable[Step], writer: asyncio.StreamWriter) -> bool:
    """Send step by step; say whether the connection outlived them."""
    for step in steps:
        match step:
            case bytes():
                writer.write(step)
                await writer.drain()
                # Each token is a write of its own, and other streams get their turn between two of them.
                await asyncio.sleep(0)
            case Pause():
                await asyncio.sleep(step.seconds)
            case Accident.HANG:
                await asyncio.sleep(MAX_HANG_SECONDS)
                return False
            case Accident.RESET:
                _reset(writer)
                return False
            case Accident.CLOSE:
                return False
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


async def serve(port: int) -> None:
    """Print the port once it listens, then answer until cancelled."""
    stub = Stub()

    def connection() -> asyncio.StreamReaderProtocol:
        reader = ClientReader()
        return asyncio.StreamReaderProtocol(reader, lambda _, writer: stub.serve_connection(reader, writer))

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", port, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  # whoever started us waits for this line
    with suppress(asyncio.CancelledError):
        await server.serve_forever()
