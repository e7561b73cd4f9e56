"""Events as bytes on the wire, in the form of the HTML standard's server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app import signals
from app.accounts.presence import Guest
from app.errors import AppError, NotAuthenticated
from app.persistence.values import Entry
from app.runs.tail import Tails

MEDIA_TYPE: Final = "text/event-stream"
# no-transform and the accelerator's switch keep proxies from collecting an answer before they pass it on.
_HEADERS: Final = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
_PING: Final = b": ping\n\n"


def event_stream(
    tails: Tails, run_id: UUID, reader: Guest, *, after: int = 0, heartbeat_seconds: float, hung_up: Callable[[], None] | None = None
) -> StreamingResponse:
    """A tail of the run: whoever reads it, slowly, to the end or not at all, changes nothing for the run.

    Unless the reader asked for it: `hung_up` is called when the connection is over. It ends before the run when the reader's login does.
    """
    headers = {**_HEADERS, "X-Run-ID": str(run_id)}
    tail = tails.read(run_id, after=after, silence_seconds=heartbeat_seconds)
    return EventStream(_frames(_Telling(tails, reader), tail, hung_up), headers=headers, media_type=MEDIA_TYPE)


class EventStream(StreamingResponse):
    """Sent by the request's own task, where the parent has a group of two, which costs as much as a query."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's own
        listening = asyncio.create_task(self.listen_for_disconnect(receive), name="listening")
        try:
            async with asyncio.timeout(None) as connection:

                def hung_up(_: asyncio.Task[None]) -> None:
                    connection.reschedule(0)

                listening.add_done_callback(hung_up)
                try:
                    await self.stream_response(send)
                finally:
                    listening.remove_done_callback(hung_up)
                    listening.cancel()
        except TimeoutError:
            if not connection.expired():
                raise


@dataclass(frozen=True, slots=True)
class _Telling:
    """Who reads, and whether the server is about to stop: by these it is known why a stream ends without a fault."""

    tails: Tails
    reader: Guest

    @property
    def why(self) -> str:
        return "login_over" if self.reader.is_gone else "closing" if self.tails.is_closing else "ended"


async def _frames(telling: _Telling, tail: AsyncGenerator[Sequence[Entry]], hung_up: Callable[[], None] | None) -> AsyncGenerator[bytes]:
    """All that is there in one write: under load a write carries many tokens."""
    reader, why = telling.reader, "failed"  # unless it is left in another way
    signals.stream_opened()
    try:
        with reader:
            async with aclosing(tail):
                while not reader.is_gone and (entries := await reader.hear(anext(tail, None))) is not None:
                    yield frames(entries) or _PING
        why = telling.why
    # The status is sent already: a tail that fails is a lost connection, and who reads on is told why.
    except NotAuthenticated:
        why = "login_over"
    except AppError:
        why = "failed"
    except (asyncio.CancelledError, GeneratorExit):
        why = "hung_up"
        raise
    finally:
        signals.stream_closed(why)
        if hung_up:
            hung_up()


def frames(entries: Sequence[Entry]) -> bytes:
    return b"".join([b"id: %d\nevent: %b\ndata: %b\n\n" % (entry.sequence, entry.type.encode(), entry.payload) for entry in entries])
