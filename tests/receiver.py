"""A user's own server that is told of runs, on the loopback, in a thread; it answers as it is told and keeps what it heard."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

# How it answers: with a status · never · by closing at once · headers a byte at a time, without end · a body without end.
type Manner = int | Literal["hang", "drop", "drip", "flood"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


class Receiver:
    """Answers in these `manners`, each once, and then with 204; `location` goes with each redirect."""

    def __init__(self) -> None:
        self.manners: list[Manner] = []
        self.heard: list[Heard] = []
        self.location = ""
        self.port = 0
        self.sent_bytes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def until_heard(self, count: int, seconds: float = 30) -> Sequence[Heard]:
        """What was heard so far, when it is so much."""
        async with asyncio.timeout(seconds):
            while len(self.heard) < count:  # noqa: ASYNC110  # it hears in a thread of its own
                await asyncio.sleep(0.02)
        return [*self.heard]

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.heard.append(Heard(path=head[0].split(" ")[1], headers=headers, body=body))
            await self._answer(self.manners.pop(0) if self.manners else 204, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # who asked has gone
        finally:
            writer.close()

    async def _answer(self, manner: Manner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match manner:
            case int():
                writer.write(f"HTTP/1.1 {manner} Told\r\nContent-Length: 0\r\nLocation: {self.location}\r\n\r\n".encode())
            case "hang":
                await reader.read()
            case "drip":
                for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
            case "flood":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
                while True:
                    writer.write(b"x" * 65_536)
                    await writer.drain()
                    self.sent_bytes += 65_536
        await writer.drain()


@contextmanager
def start_receiver() -> Iterator[Receiver]:
    """Serve from a thread with a loop of its own, so that processes and loops of any kind can be told to call it."""
    receiver, ready, loop = Receiver(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(receiver.serve_connection, "127.0.0.1", 0)
        receiver.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="receiver")
    thread.start()
    try:
        assert ready.wait(5)
        yield receiver
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
