"""A message in; the answer out, whole or as it is made."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse

from app.api.deps import CurrentUser, OwnSession, RunsDep, ServerDep, TailsDep
from app.api.errors import problems
from app.api.sse import MEDIA_TYPE, event_stream
from app.api.v1.chat_schemas import STREAM_EXAMPLE, AnswerOut, AskIn, IdempotencyKey
from app.errors import (
    DatabaseUnavailable,
    EventsExpired,
    IdempotencyKeyReused,
    InvalidInput,
    ModelBadAnswer,
    ModelRateLimited,
    ModelTimeout,
    ModelUnavailable,
    ServerBusy,
    SessionBusy,
    SessionNotFound,
    UnknownModel,
)
from app.runs.answer import Answer, whole_answer
from app.runs.service import Ask

_before_the_first_byte = (
    SessionNotFound,
    SessionBusy,
    InvalidInput,
    UnknownModel,
    IdempotencyKeyReused,
    EventsExpired,
    ServerBusy,
    DatabaseUnavailable,
)
router = APIRouter(responses=problems(*_before_the_first_byte))


async def _started_run(
    session: OwnSession, ask: AskIn, user: CurrentUser, runs: RunsDep, idempotency_key: Annotated[IdempotencyKey | None, Header()] = None
) -> UUID:
    return await runs.start(
        Ask(
            user=user,
            session_id=session.id,
            text=ask.message,
            model=ask.model,
            idempotency_key=idempotency_key,
            on_busy=ask.on_busy,
        )
    )


StartedRun = Annotated[UUID, Depends(_started_run)]


@router.post("/chat", responses=problems(*_before_the_first_byte, ModelUnavailable, ModelRateLimited, ModelTimeout, ModelBadAnswer))
async def chat(run_id: StartedRun, tails: TailsDep, server: ServerDep) -> AnswerOut:
    """Send a message and wait for the whole answer; a provider's failure is a problem document."""
    return _answer(await whole_answer(tails, run_id, silence_seconds=server.heartbeat_seconds))


@router.post(
    "/chat/stream",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events, one `end` last", "content": {MEDIA_TYPE: {"example": STREAM_EXAMPLE}}}},
)
async def chat_stream(run_id: StartedRun, ask: AskIn, runs: RunsDep, tails: TailsDep, server: ServerDep) -> StreamingResponse:
    """Send a message and read the answer as it is made. The run goes on when the connection ends: read on, or stop it, at `runs`."""
    hung_up = partial(runs.stop_here, run_id) if ask.on_disconnect == "cancel" else None
    return event_stream(tails, run_id, heartbeat_seconds=server.heartbeat_seconds, hung_up=hung_up)


def _answer(answer: Answer) -> AnswerOut:
    return AnswerOut.model_validate(
        {
            "run_id": answer.run_id,
            "message": {
                "id": answer.end["message_id"],
                "role": "assistant",
                "content": "".join(answer.content),
                "reasoning": "".join(answer.reasoning),
            },
            "usage": answer.usage,
            "tokens_used": answer.usage["total_tokens"],
            "from_cache": answer.usage["from_cache"],
            "status": answer.end["status"],
            "interrupts": [],
        }
    )
