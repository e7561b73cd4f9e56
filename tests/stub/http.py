"""Just enough HTTP/1.1 to read what well-behaved clients send."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_BODY_BYTES: Final = 16_000_000
IDLE_SECONDS: Final = 120


class BadRequest(Exception):
    """What came was no HTTP that this server reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """Header names are in lower case; `path` keeps its query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def route(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


class ClientReader(asyncio.StreamReader):
    """Notice the client's end without reading: the first byte of its next request may come before we have seen our answer end."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.set()


async def read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    """Read the next request of a kept-alive connection; None when the client has closed it or been idle too long."""
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, headers = _parse_head(head)
            return HttpRequest(method=method, path=path, headers=headers, body=await reader.readexactly(_body_bytes(headers)))
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest("The headers are too long.") from error


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    request_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    if len(parts := request_line.split(" ")) != 3:
        raise BadRequest("The request line is malformed.")
    fields = (line.partition(":") for line in lines)
    return parts[0], parts[1], {name.strip().lower(): value.strip() for name, _, value in fields}


def _body_bytes(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal():
        raise BadRequest("A body needs a content-length.")
    if int(length) > MAX_BODY_BYTES:
        raise BadRequest("The body is too large.")
    return int(length)
