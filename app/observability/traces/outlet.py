"""Where spans leave the process: a queue with an end, and one task that empties it."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence, Set
from enum import Enum
from functools import partial
from http import HTTPStatus
from itertools import islice
from threading import get_ident
from typing import Final
from uuid import UUID

import aiohttp
import structlog

from app import signals
from app.crashes import log_crash
from app.observability.traces.span import Span
from app.signals import sampled

_GATHERING_SECONDS: Final = 1
_MOST_AT_ONCE: Final = 256
_MOST_CHARACTERS: Final = 20_000_000
_LONGEST_PAUSE_SECONDS: Final = 30
_WORTH_ANOTHER_TRY: Final = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)

log = structlog.get_logger()


class _Sent(Enum):
    YES = "yes"
    REFUSED = "refused"
    LATER = "later"


class HttpOutlet:
    """Sends spans to one address; what has no room is dropped, and whoever puts it there waits for nothing."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        headers: Mapping[str, str],
        *,
        name: str,
        most_spans: int,
        resource: Mapping[str, str],
        mask: Callable[[str], str] | None,
    ) -> None:
        self._http = http
        self._url = url
        self._headers = {**headers, "Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        self._name = name
        self._most_spans = most_spans
        self._resource = resource
        self._mask = mask
        self._queue: deque[Span] = deque()
        self._characters = 0
        self._gone: set[UUID] = set()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._is_out = False

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, span: Span) -> None:
        """From any thread: a tool may run something of LangChain's in one of its own, with a loop or without."""
        if get_ident() == self._thread:
            self._put(span)
        else:
            self._loop.call_soon_threadsafe(self._put, span)

    def _put(self, span: Span) -> None:
        if len(self._queue) >= self._most_spans or self._characters + span.characters > _MOST_CHARACTERS or span.user_id in self._gone:
            signals.traces_exported(self._name, "dropped", 1)
            return
        self._queue.append(span)
        self._characters += span.characters
        self._wake.set()

    def forget(self, user_id: UUID) -> None:
        """Send nothing more of a user who was erased."""
        self._gone.add(user_id)
        self._leave_out({span for span in self._queue if span.user_id == user_id})

    async def keep_sending(self) -> None:
        pause = _GATHERING_SECONDS
        while True:
            await self._wake.wait()
            await asyncio.sleep(pause)
            is_sent = not self._queue or await self._send_some()  # a user who was erased may have had all of it
            pause = _GATHERING_SECONDS if is_sent else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            if not self._queue:
                self._wake.clear()
            sampled.traces_waiting(self._name, len(self._queue))

    async def close(self, seconds: float) -> None:
        """Send what is left, for so long; the rest is lost."""
        try:
            async with asyncio.timeout(seconds):
                while self._queue and await self._send_some():
                    pass
        except TimeoutError:
            pass
        if self._queue:
            log.warning("traces_lost", backend=self._name, spans=len(self._queue))
            signals.traces_exported(self._name, "dropped", len(self._queue))
            self._leave_out({*self._queue})

    async def _send_some(self) -> bool:
        """False where it is to be tried again, later; what is being sent keeps its place until it has arrived."""
        batch = [*islice(self._queue, _MOST_AT_ONCE)]
        sent = await self._sent(batch)
        if sent is not _Sent.LATER:
            self._leave_out({*batch})
            signals.traces_exported(self._name, "ok" if sent is _Sent.YES else "failed", len(batch))
        return sent is not _Sent.LATER

    async def _sent(self, batch: Sequence[Span]) -> _Sent:
        try:
            body = await asyncio.to_thread(partial(_encoded, batch, self._resource, self._mask))
            async with self._http.post(self._url, data=body, headers=self._headers, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._failed(type(error).__name__, _Sent.LATER)
        except Exception as error:  # noqa: BLE001  # the boundary of what nobody waits for: these spans are lost, and no others
            log_crash("trace_crashed", error)
            return _Sent.REFUSED
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            self._succeeded()
            return _Sent.YES
        return self._failed(str(status), _Sent.LATER if status in _WORTH_ANOTHER_TRY else _Sent.REFUSED)

    def _failed(self, error: str, sent: _Sent) -> _Sent:
        if not self._is_out:
            self._is_out = True
            log.warning("traces_not_exported", backend=self._name, error=error)
        return sent

    def _succeeded(self) -> None:
        if self._is_out:
            self._is_out = False
            log.info("traces_exported_again", backend=self._name)

    def _leave_out(self, spans: Set[Span]) -> None:
        self._queue = deque(span for span in self._queue if span not in spans)
        self._characters = sum(span.characters for span in self._queue)


def _encoded(batch: Sequence[Span], resource: Mapping[str, str], mask: Callable[[str], str] | None) -> bytes:
    from app.observability.traces.otlp import encoded  # noqa: PLC0415  # not before there is something to send

    return encoded(batch, resource, mask)
