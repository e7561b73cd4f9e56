"""One provider's connections, through aiohttp: its pool finds a free one at once, where httpx's looks at all of them for each request."""

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp
import orjson

from app.errors import ModelBadAnswer
from app.internet.proxies import proxy_of
from app.llm.errors import error_of_status, retry_after_seconds
from app.llm.lean.sse import EventReader

_DONE: Final = b"[DONE]"
_PATH: Final = "chat/completions"
_LAST_BYTES_SECONDS: Final = 0.1
_OK: Final = 200
_LARGE_BYTES: Final = 500_000


class Transport:
    def __init__(self, http: aiohttp.ClientSession, base_url: str, key: str) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/')}/{_PATH}"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": "text/event-stream"}

    async def chunks(self, body: Mapping[str, Any]) -> AsyncGenerator[Iterable[Any]]:
        """Yield what each read brings: the chunks as plain dicts.

        Raise a ModelError for a status, and for an error object in the stream; aiohttp's own errors for the rest.
        """
        async with self._http.post(self._url, data=_payload(body), headers=self._headers, allow_redirects=False) as response:
            if response.status != _OK:
                raise error_of_status(response.status, retry_after_seconds(response.headers))
            reader = EventReader()
            async for piece in response.content.iter_any():
                events = reader.feed(piece)
                if _DONE in events:
                    yield _chunks(events[: events.index(_DONE)])
                    await _let_end(response)
                    return
                yield _chunks(events)


@asynccontextmanager
async def open_transport(base_url: str, key: str, *, connect_seconds: float, idle_seconds: float) -> AsyncGenerator[Transport]:
    """Connections of one provider, closed when we leave; silence for `idle_seconds` in an answer is an error."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=idle_seconds)
    connector = aiohttp.TCPConnector(limit=0)
    no_cookies = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, proxy=proxy_of(base_url), cookie_jar=no_cookies) as http:
        yield Transport(http, base_url, key)


def _payload(body: Mapping[str, Any]) -> bytes | io.BytesIO:
    """A large one, with images say, is sent piece by piece, so that others have their turn in between."""
    written = orjson.dumps(body)
    return written if len(written) < _LARGE_BYTES else io.BytesIO(written)


def _chunks(events: Sequence[bytes]) -> Iterable[Any]:
    """Read all at once, which takes half as long; but one by one where one is not as it should be, for those before it are good."""
    try:
        chunks = orjson.loads(b"[%b]" % b",".join(events))
    except orjson.JSONDecodeError:
        return map(_chunk, events)
    errors = [chunk for chunk in chunks if isinstance(chunk, dict) and "error" in chunk]
    return map(_chunk, events) if errors or len(chunks) != len(events) else chunks


def _chunk(event: bytes) -> Any:  # noqa: ANN401  # whatever the provider sends
    try:
        chunk = orjson.loads(event)
    except orjson.JSONDecodeError:
        chunk = json.loads(event)  # which takes what a model may say and Unicode has not: half a surrogate pair
    if isinstance(chunk, dict) and chunk.get("error"):
        raise ModelBadAnswer("The model's provider reported an error in the middle of the answer.")
    return chunk


async def _let_end(response: aiohttp.ClientResponse) -> None:
    """Read the body's last bytes, for only then can the connection be used again; the answer is whole without them."""
    if not response.content.at_eof():
        with suppress(TimeoutError, aiohttp.ClientError, ConnectionError):
            async with asyncio.timeout(_LAST_BYTES_SECONDS):
                await response.read()
