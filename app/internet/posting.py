"""Tell something to an address that a user named, and learn its status: nothing else of the answer is read."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from app.internet import WebError
from app.internet.addresses import PublicResolver, checked_url
from app.internet.connecting import open_guarded

_LOOK_SECONDS: Final = 2
_HEADERS: Final = {"User-Agent": "Milepost", "Accept": "*/*", "Content-Type": "application/json"}


class PostFailed(Exception):
    """There is no answer; `code` says why: address_refused, timeout, tls_failed, unreachable or broken_answer."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Poster:
    def __init__(self, session: aiohttp.ClientSession, names: AbstractResolver, *, seconds: float, allow_private: bool) -> None:
        self._session = session
        self._names = names
        self._seconds = seconds
        self._allow_private = allow_private

    async def look(self, url: str) -> None:
        """Raise WebError for an address that would be refused; a name that nobody knows yet is looked at when it is called."""
        checked = self._checked(url)
        if not self._allow_private:
            with suppress(OSError):  # a timeout is one
                async with asyncio.timeout(_LOOK_SECONDS):
                    await PublicResolver(self._names).resolve(checked.host or "", checked.port or 0)

    def _checked(self, url: str) -> URL:
        return checked_url(url, allow_private=self._allow_private, https_only=not self._allow_private)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Return the status as it comes, that of a redirect too, which is not followed; raise PostFailed."""
        try:
            async with asyncio.timeout(self._seconds):
                self._checked(url)
                # Left unread: the connection is closed with whatever would come.
                async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                    return answer.status
        except WebError as error:
            raise PostFailed("address_refused") from error
        except TimeoutError as error:
            raise PostFailed("timeout") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PostFailed(_code_of(error)) from error


def _code_of(error: Exception) -> str:
    match error:
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls_failed"
        case aiohttp.ClientConnectionError() | OSError():
            return "unreachable"
        case _:
            return "broken_answer"


@asynccontextmanager
async def open_poster(
    *, seconds: float, connections: int, allow_private: bool, resolver: AbstractResolver | None = None
) -> AsyncGenerator[Poster]:
    """`resolver` takes the place of the system's."""
    names = resolver or aiohttp.ThreadedResolver()
    async with open_guarded(allow_private=allow_private, connections=connections, headers=_HEADERS, resolver=names) as session:
        yield Poster(session, names, seconds=seconds, allow_private=allow_private)
