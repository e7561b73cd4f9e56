"""A message or an answer in; what the agent says out, whole or as it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse

from app.accounts.presence import Guest
from app.api.deps import AttachmentsDep, Own, OwnDep, RunsDep
from app.api.errors import problems
from app.api.limits.charging import tell_quota
from app.api.sse import MEDIA_TYPE, event_stream
from app.api.v1.chat_schemas import STREAM_EXAMPLE, AgainIn, AnswerOut, AskIn, IdempotencyKey, OnDisconnect, ReplyIn
from app.api.v1.run_schemas import RunOut
from app.errors import (
    AttachmentNotFound,
    DatabaseUnavailable,
    EventsExpired,
    IdempotencyKeyReused,
    InterruptExpired,
    InterruptNotFound,
    InvalidAnswer,
    InvalidInput,
    MessageNotFound,
    ModelBadAnswer,
    ModelNotAllowed,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    QuotaExceeded,
    ServerBusy,
    SessionBusy,
    SessionNotFound,
    TooManyRuns,
    TurnTooOld,
    UnknownAgent,
    UnknownModel,
)
from app.persistence.values import Attachment
from app.runs.answer import whole_answer
from app.runs.asking import Ask, Reply
from app.runs.attachments import Attachments
from app.runs.questions import Questions
from app.runs.service import Runs
from app.runs.tail import Tails
from app.settings import ServerSettings

_before_the_first_byte = (
    SessionNotFound,
    SessionBusy,
    InvalidInput,
    IdempotencyKeyReused,
    EventsExpired,
    ServerBusy,
    DatabaseUnavailable,
    QuotaExceeded,
    TooManyRuns,
    ModelNotAllowed,
)
_about_models = (ModelUnavailable, ModelRateLimited, ModelTimeout, ModelBadAnswer, ModelRefused)
STREAM: Final[dict[str, Any]] = {
    "response_class": StreamingResponse,
    "responses": {200: {"description": "Server-sent events, one `end` last", "content": {MEDIA_TYPE: {"example": STREAM_EXAMPLE}}}},
}
ASKING = problems(*_before_the_first_byte, UnknownAgent, UnknownModel, MessageNotFound, AttachmentNotFound, TurnTooOld)
_replying = problems(*_before_the_first_byte, InterruptNotFound, InterruptExpired, InvalidAnswer)
ANSWERING = problems(*_about_models)

router = APIRouter()

Key = Annotated[IdempotencyKey | None, Header()]


@dataclass(frozen=True, slots=True)
class Begun:
    """A run, who reads it and how, and with what."""

    run_id: UUID
    guest: Guest
    on_disconnect: OnDisconnect
    runs: Runs
    tails: Tails
    server: ServerSettings


def begun(request: Request, own: Own, run_id: UUID, on_disconnect: OnDisconnect) -> Begun:
    """Its answer tells what is left of the quotas."""
    parts = request.state
    tell_quota(request.scope, parts.runs.watch(run_id))
    return Begun(run_id, parts.presence.guest(own.caller), on_disconnect, parts.runs, parts.tails, parts.server)


async def asked(own: OwnDep, ask: AskIn, request: Request, idempotency_key: Key = None) -> Begun:
    """The run that a message sets off; raise what `Runs.start` does, or AttachmentNotFound."""
    runs: Runs = request.state.runs
    attached = await _attached(own, ask, request.state.attachments)
    return begun(request, own, await runs.start(_ask(own, ask, attached, idempotency_key)), ask.on_disconnect)


async def _asked_again(own: OwnDep, again: AgainIn, request: Request, idempotency_key: Key = None) -> Begun:
    runs: Runs = request.state.runs
    run_id = await runs.start(
        Ask(
            user=own.user,
            session_id=own.session.id,
            text=None,
            model=again.model,
            idempotency_key=idempotency_key,
            on_busy=again.on_busy,
            again=True,
            agent=own.session.agent,
            config=own.session.config,
            instead_of=again.message_id,
        )
    )
    return begun(request, own, run_id, again.on_disconnect)


async def _replied(own: OwnDep, reply: ReplyIn, request: Request, idempotency_key: Key = None) -> Begun:
    questions: Questions = request.state.questions
    answers = Reply(user=own.user, session_id=own.session.id, answers=reply.by_id(), idempotency_key=idempotency_key)
    return begun(request, own, await questions.answer(answers), reply.on_disconnect)


async def _attached(own: Own, ask: AskIn, attachments: Attachments) -> Sequence[Attachment] | None:
    return None if ask.attachments is None else await attachments.find(own.user.id, ask.attachments)


AskedRun = Annotated[Begun, Depends(asked)]
AskedAgainRun = Annotated[Begun, Depends(_asked_again)]
RepliedRun = Annotated[Begun, Depends(_replied)]


@router.post("/chat", responses=ASKING | ANSWERING)
async def chat(run: AskedRun) -> AnswerOut:
    """Send a message and wait for the whole answer; a provider's failure is a problem document."""
    return await answer(run)


@router.post("/chat/stream", **STREAM | {"responses": ASKING | STREAM["responses"]})
async def chat_stream(run: AskedRun) -> StreamingResponse:
    """Send a message and read the answer as it is made. The run goes on when the connection ends: read on, or stop it, at `runs`."""
    return tail(run)


@router.post("/regenerate", responses=ASKING | ANSWERING)
async def regenerate(run: AskedAgainRun) -> AnswerOut:
    """Answer the last message, or the one named, once more, never from the cache; what was said before becomes another branch."""
    return await answer(run)


@router.post("/regenerate/stream", **STREAM | {"responses": ASKING | STREAM["responses"]})
async def regenerate_stream(run: AskedAgainRun) -> StreamingResponse:
    """The same as a stream."""
    return tail(run)


@router.post("/resume", responses=_replying | ANSWERING)
async def resume(run: RepliedRun) -> AnswerOut:
    """Answer questions of the agent, which goes on in a run of its own; what is left open it asks again."""
    return await answer(run)


@router.post("/resume/stream", **STREAM | {"responses": _replying | STREAM["responses"]})
async def resume_stream(run: RepliedRun) -> StreamingResponse:
    """The same as a stream."""
    return tail(run)


@router.post("/runs", status_code=202, responses=ASKING)
async def run_in_background(own: OwnDep, ask: AskIn, attachments: AttachmentsDep, runs: RunsDep, idempotency_key: Key = None) -> RunOut:
    """Send a message for a worker to answer; read the run, or its stream, at `runs`."""
    attached = await _attached(own, ask, attachments)
    run_id = await runs.start(_ask(own, ask, attached, idempotency_key, background=True))
    return RunOut.model_validate(await runs.read(own.user.id, run_id), from_attributes=True)


def _ask(own: Own, ask: AskIn, attached: Sequence[Attachment] | None, key: str | None, *, background: bool = False) -> Ask:
    return Ask(
        user=own.user,
        session_id=own.session.id,
        text=ask.message,
        model=ask.model,
        idempotency_key=key,
        on_busy=ask.on_busy,
        again=ask.instead_of is not None,
        instead_of=ask.instead_of,
        background=background,
        cache=ask.cache and not own.session.temporary,  # what is cached would outlive it
        attachments=attached,
        agent=own.session.agent,
        config=own.session.config,
    )


def tail(run: Begun) -> StreamingResponse:
    hung_up = partial(run.runs.stop_soon, run.run_id) if run.on_disconnect == "cancel" else None
    return event_stream(run.tails, run.run_id, run.guest, heartbeat_seconds=run.server.heartbeat_seconds, hung_up=hung_up)


async def answer(run: Begun) -> AnswerOut:
    """Wait for the whole answer, as long as the reader's login lasts."""
    with run.guest as guest:
        answer = await guest.hear(whole_answer(run.tails, run.run_id, silence_seconds=run.server.heartbeat_seconds))
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
            "interrupts": answer.questions,
        }
    )
