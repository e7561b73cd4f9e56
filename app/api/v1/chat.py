"""A message in; the answer out, whole or as it is made."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from app.api.deps import CurrentUser, OwnSession, RunsDep, ServerDep
from app.api.errors import problems
from app.api.sse import MEDIA_TYPE, event_stream
from app.api.v1.chat_schemas import STREAM_EXAMPLE, Answer, AnswerMessage, Ask, Usage
from app.errors import (
    DatabaseUnavailable,
    InvalidInput,
    ModelBadAnswer,
    ModelRateLimited,
    ModelTimeout,
    ModelUnavailable,
    RunCancelled,
    ServerBusy,
    SessionBusy,
    SessionNotFound,
    UnknownModel,
)
from app.runs.service import Runs
from app.runs.walk import Run

_before_the_first_byte = (SessionNotFound, SessionBusy, InvalidInput, UnknownModel, ServerBusy, DatabaseUnavailable)
router = APIRouter(responses=problems(*_before_the_first_byte))


async def _started_run(session: OwnSession, ask: Ask, user: CurrentUser, runs: RunsDep) -> Run:
    return await runs.start(user, session.id, ask.message, ask.model)


StartedRun = Annotated[Run, Depends(_started_run)]


@router.post("/chat", responses=problems(*_before_the_first_byte, ModelUnavailable, ModelRateLimited, ModelTimeout, ModelBadAnswer))
async def chat(run: StartedRun, runs: RunsDep, request: Request) -> Answer:
    """Send a message and wait for the whole answer; a provider's failure is a problem document."""
    await _ended(run, runs, request)
    if run.error:
        raise run.error
    return _answer(run)


@router.post(
    "/chat/stream",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events, one `end` last", "content": {MEDIA_TYPE: {"example": STREAM_EXAMPLE}}}},
)
async def chat_stream(run: StartedRun, runs: RunsDep, server: ServerDep) -> StreamingResponse:
    """Send a message and read the answer as it is made; closing the connection stops it."""
    return event_stream(run, runs, server.heartbeat_seconds)


async def _ended(run: Run, runs: Runs, request: Request) -> None:
    """Wait for the end of the run; end it when the client hangs up."""
    ended = asyncio.ensure_future(run.ended.wait())
    gone = asyncio.ensure_future(request.receive())  # the body has been read: all that can come is the disconnect
    try:
        await asyncio.wait((ended, gone), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            runs.stop(run, RunCancelled("The client hung up."))
            await ended
    finally:
        ended.cancel()
        gone.cancel()


def _answer(run: Run) -> Answer:
    usage, said = run.story.usage(), run.story.transcript()
    return Answer(
        run_id=run.id,
        message=AnswerMessage(id=run.message_id, role="assistant", content=said["content"], reasoning=said["reasoning"]),
        usage=Usage.model_validate(usage, from_attributes=True),
        tokens_used=usage.total_tokens,
        from_cache=usage.from_cache,
        status=run.status,
        interrupts=[],
    )
