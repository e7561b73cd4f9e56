"""A proxy on the loopback that hangs up in the middle of streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_PIECE: Final = 64


@dataclass(slots=True)
class Cutting:
    """Each of the next `times` streams is cut after so many bytes; `cuts` counts them."""

    url: str
    times: int
    after_bytes: int
    cuts: int = 0


@asynccontextmanager
async def cutting(url: str, *, times: int, after_bytes: int) -> AsyncIterator[Cutting]:
    """Yield the proxy in front of the server at `url`."""
    behind = urlsplit(url)
    state = Cutting("", times, after_bytes)

    serving = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(behind.hostname, behind.port)
        streams = asyncio.Event()
        asking = asyncio.create_task(_asks(reader, back, streams))
        serving.add(asking)
        try:
            await _answers(there, writer, streams, state)
        finally:
            asking.cancel()
            for one in (back, writer):
                one.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield state
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


async def _asks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, streams: asyncio.Event) -> None:
    while asked := await reader.read(65_536):
        if b"/stream HTTP" in asked:
            streams.set()
        writer.write(asked)


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, streams: asyncio.Event, state: Cutting) -> None:
    told = 0
    while answered := await reader.read(_PIECE):
        told += len(answered) if streams.is_set() else 0
        if told > state.after_bytes and state.cuts < state.times:
            state.cuts += 1
            return
        writer.write(answered)
