"""Events as bytes on the wire, in the form of the HTML standard's server-sent events."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from fastapi.responses import StreamingResponse

from app.runs.events import Entry
from app.runs.service import Runs
from app.runs.walk import Run

MEDIA_TYPE: Final = "text/event-stream"
# no-transform and the accelerator's switch keep proxies from collecting an answer before they pass it on.
_HEADERS: Final = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
_PING: Final = b": ping\n\n"


def event_stream(run: Run, runs: Runs, heartbeat_seconds: float) -> StreamingResponse:
    return StreamingResponse(_frames(run, runs, heartbeat_seconds), headers=_HEADERS, media_type=MEDIA_TYPE)


async def _frames(run: Run, runs: Runs, heartbeat_seconds: float) -> AsyncGenerator[bytes]:
    """All that is there in one write: under load a write carries many tokens."""
    try:
        async for entries in run.log.tail(silence_seconds=heartbeat_seconds):
            yield frames(entries) or _PING
    finally:
        runs.stop(run)  # a reader who hangs up has ended the run; one that has ended cannot be stopped


def frames(entries: Sequence[Entry]) -> bytes:
    return b"".join([b"id: %d\nevent: %b\ndata: %b\n\n" % (entry.sequence, entry.type.encode(), entry.payload) for entry in entries])
