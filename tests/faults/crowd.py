"""A crowd of clients that want nothing but to be in the way, as a process: it says how many it is, and then how many were sent away."""

import asyncio
import resource
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

_DRIP_SECONDS: Final = 0.5
_AT_ONCE: Final = 200


async def _stay(_: StreamWriter) -> None:
    """Say nothing."""


async def _begin(writer: StreamWriter) -> None:
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n")


async def _drip_a_head(writer: StreamWriter) -> None:
    writer.write(b"GET /health/live HTTP/1.1\r\nX: ")
    await _drip(writer)


async def _drip_a_body(writer: StreamWriter) -> None:
    writer.write(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n")
    await _drip(writer)


async def _drip_line_ends(writer: StreamWriter) -> None:
    """What a parser skips before a request."""
    while True:
        writer.write(b"\r\n")
        await asyncio.sleep(_DRIP_SECONDS)


async def _drip(writer: StreamWriter) -> None:
    while True:
        writer.write(b"a")
        await asyncio.sleep(_DRIP_SECONDS)


KINDS: Final[dict[str, Callable[[StreamWriter], Awaitable[None]]]] = {
    "idle": _stay,
    "half": _begin,
    "head": _drip_a_head,
    "body": _drip_a_body,
    "lines": _drip_line_ends,
}


async def _until_sent_away(reader: StreamReader) -> bytes:
    with suppress(ConnectionError):
        return await reader.read()
    return b""


async def _come(port: int, kind: str, count: int) -> None:
    at_once, come = asyncio.Semaphore(_AT_ONCE), []
    for _ in range(count):
        async with at_once:
            come.append(await asyncio.open_connection("127.0.0.1", port))
    talking = [asyncio.ensure_future(KINDS[kind](writer)) for _, writer in come]
    print(len(come), flush=True)  # noqa: T201  # to the test
    said = await asyncio.gather(*(_until_sent_away(reader) for reader, _ in come))
    for task in talking:
        task.cancel()
    print(len(said), sum(answer.startswith(b"HTTP/1.1 408 ") for answer in said), flush=True)  # noqa: T201


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_come(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
