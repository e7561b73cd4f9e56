"""A run: how it is, its events from any place on, and the one thing that stops it."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from app.api.deps import CallerDep, CurrentUser, RunsDep
from app.api.errors import problems
from app.api.sse import MEDIA_TYPE, event_stream
from app.api.v1.run_schemas import RunOut
from app.errors import EventsExpired, RunNotFound
from app.persistence.values import Run

router = APIRouter(responses=problems(RunNotFound))

_LARGEST_SEQUENCE: Final = 2**62


async def _own_run(run_id: UUID, user: CurrentUser, runs: RunsDep) -> Run:
    """404, never 403, for another's run."""
    return await runs.read(user.id, run_id)


OwnRun = Annotated[Run, Depends(_own_run)]
Sequence = Annotated[int | None, Query(ge=0, le=_LARGEST_SEQUENCE, description="The number of the last event that was read")]
LastEventId = Annotated[int | None, Header(ge=0, le=_LARGEST_SEQUENCE, description="The same, as EventSource sends it")]


@router.get("/{run_id}")
async def read_run(run: OwnRun) -> RunOut:
    return RunOut.model_validate(run, from_attributes=True)


@router.get(
    "/{run_id}/stream",
    response_class=StreamingResponse,
    responses=problems(EventsExpired) | {200: {"description": "Server-sent events, one `end` last", "content": {MEDIA_TYPE: {}}}},
)
async def stream_run(
    run: OwnRun, caller: CallerDep, request: Request, after: Sequence = None, last_event_id: LastEventId = None
) -> StreamingResponse:
    """The run's events from any place on, live or long over, byte for byte as the first reader saw them."""
    parts = request.state
    await parts.tails.check(run)
    place = last_event_id or 0 if after is None else after
    guest = parts.presence.guest(caller)
    return event_stream(parts.tails, run.id, guest, after=place, heartbeat_seconds=parts.server.heartbeat_seconds)


@router.post("/{run_id}/cancel", status_code=204)
async def cancel_run(run: OwnRun, runs: RunsDep) -> None:
    """Stop the run wherever it is made; what it has said is kept. Nothing happens to one that has ended."""
    await runs.stop(run.id)
