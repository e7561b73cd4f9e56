"""Connections that cost others nothing: uvicorn's protocol, with an end to all waiting for a client.

uvicorn gives a client as long as it likes to send the head of a request, to send nothing at all, and to read an answer. Bodies have their
time in `BodyLimit`.
"""

import resource
from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_BYTES: Final = 65_536
# Open files of this process: as many as the machine lets it have, within reason, of which some are the database's and for files.
_MOST_FILES: Final = 65_536
_OTHER_FILES: Final = 512


def take_all_files() -> None:
    """Raise this process's own limit to the machine's; each connection is an open file, and shells begin with a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if wanted > soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Half of few files, and all but some hundred of many."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft // 2, soft - _OTHER_FILES) if soft != resource.RLIM_INFINITY else _MOST_FILES


class _HeadTooLarge(Exception):
    """Has the parser stop, and uvicorn ask for a refusal."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. While there are too many, the one that has waited longest for a request makes room for a new one."""

    # How long the head of a request may take to come, and how long a client may leave tens of kilobytes of its answer unread.
    head_seconds: ClassVar[float] = 10
    stall_seconds: ClassVar[float] = 120
    most: ClassVar[int | None] = None
    # All of this process's that wait for a request, in the order they began to.
    _waiting: ClassVar[dict["BoundedProtocol", None]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # uvicorn's own
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._head_bytes = 0
        self._read_bytes = 0
        self._head_timer: TimerHandle | None = None
        self._stall_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait()
        self._head_timer = self.loop.call_later(self.head_seconds, self._give_up)
        if type(self).most is None:
            type(self).most = most_connections()
        if len(self.connections) > cast("int", self.most):
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.pop(self, None)
        self._stop(self._head_timer, self._stall_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > _HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._give_up)

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes, self._read_bytes = True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        if self._read_bytes > _HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        """A head may come whole in one piece, and is then over before `data_received` could look at how much it was."""
        self._read_bytes += size
        if self._read_bytes > _HEAD_BYTES:
            raise _HeadTooLarge

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._waiting.pop(self, None)
        self._stop(self._head_timer)
        self._head_timer = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.timeout_keep_alive_task:
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop(self._stall_timer)

    def _wait(self) -> None:
        self._waiting[self] = None

    def _give_up(self) -> None:
        """Close a connection whose next request does not come, once what was asked before it is answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """In the fewest words: there is no request yet that an answer of the application's could belong to."""
        if not self.transport.is_closing():
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head.encode())
            self.transport.close()

    @staticmethod
    def _stop(*timers: TimerHandle | None) -> None:
        for timer in timers:
            if timer:
                timer.cancel()
