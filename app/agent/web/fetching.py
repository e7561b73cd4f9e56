"""Fetch a page from the public internet and from nowhere else, with a bound on all that a stranger's server could make long."""

import asyncio
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from app.internet import WebError
from app.internet.addresses import checked_url
from app.internet.connecting import open_guarded
from app.settings import WebSettings

_MOST_REDIRECTS: Final = 5
_CONNECTIONS: Final = 50
_HEADERS: Final = {
    "User-Agent": "Mozilla/5.0 (compatible; Milepost)",
    "Accept": "text/html, text/plain;q=0.9",
    "Accept-Encoding": "gzip, deflate",
}
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_READ: Final = ("text/html", "text/plain")
_WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A page as it came, unpacked; `charset` is what its header says."""

    url: str
    media_type: str
    charset: str | None
    content: bytes


class Fetcher:
    def __init__(self, session: aiohttp.ClientSession, settings: WebSettings) -> None:
        self._session = session
        self._settings = settings

    async def fetch(self, url: str) -> Fetched:
        """Raise WebError."""
        try:
            async with asyncio.timeout(self._settings.page_seconds):
                return await self._follow(self._checked(url))
        except TimeoutError as error:
            raise WebError(f"The page did not come within {self._settings.page_seconds:g} seconds.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise WebError("The page could not be fetched.") from error

    async def _follow(self, url: URL) -> Fetched:
        for _ in range(1 + _MOST_REDIRECTS):
            async with self._session.get(url, allow_redirects=False) as answer:
                if answer.status not in _REDIRECTS:
                    return await self._taken(answer)
                url = self._checked(str(url.join(URL(answer.headers.get("Location", "")))))
        raise WebError(f"The page was moved more than {_MOST_REDIRECTS} times.")

    def _checked(self, url: str) -> URL:
        return checked_url(url, allow_private=self._settings.allow_private)

    async def _taken(self, answer: aiohttp.ClientResponse) -> Fetched:
        if answer.status != HTTPStatus.OK:
            raise WebError(f"The page's server answered with status {answer.status}.")
        if answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() not in _READ:
            raise WebError("The page is neither HTML nor plain text.")
        content = await self._content(answer)
        return Fetched(url=str(answer.url), media_type=answer.content_type, charset=answer.charset, content=content)

    async def _content(self, answer: aiohttp.ClientResponse) -> bytes:
        unpacked, most = _Unpacking(answer.headers.get("Content-Encoding", "")), self._settings.page_bytes
        content = bytearray()
        async for piece in answer.content.iter_chunked(2**16):
            content += unpacked.piece(piece, most + 1 - len(content))
            if len(content) > most:
                raise WebError(f"The page is longer than {most:,} bytes.")
        return bytes(content)


class _Unpacking:
    """Unpacks what comes, and never more of it at once than is wanted: a small page can say that it is a huge one."""

    def __init__(self, encoding: str) -> None:
        encoding = encoding.strip().lower()
        if encoding not in {"", "identity", *_WINDOW_BITS}:
            raise WebError("The page is packed in a way that was not asked for.")
        self._unpacker = zlib.decompressobj(_WINDOW_BITS[encoding]) if encoding in _WINDOW_BITS else None

    def piece(self, piece: bytes, most: int) -> bytes:
        if self._unpacker is None:
            return piece
        try:
            return self._unpacker.decompress(piece, max_length=most)
        except zlib.error as error:
            raise WebError("The page could not be unpacked.") from error


@asynccontextmanager
async def open_fetcher(settings: WebSettings, resolver: AbstractResolver | None = None) -> AsyncGenerator[Fetcher]:
    async with open_guarded(allow_private=settings.allow_private, connections=_CONNECTIONS, headers=_HEADERS, resolver=resolver) as session:
        yield Fetcher(session, settings)
