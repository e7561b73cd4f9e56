"""A message or an answer in; what the agent says out, whole or as it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from starlette.types import Scope

from app.api.deps import AttachmentsDep, Own, OwnDep, QuestionsDep, RunsDep, ServerDep, TailsDep
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
from app.runs.answer import Answer, whole_answer
from app.runs.asking import Ask, Reply
from app.runs.service import Runs

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


async def _attached(own: OwnDep, ask: AskIn, attachments: AttachmentsDep) -> Sequence[Attachment] | None:
    return None if ask.attachments is None else await attachments.find(own.user.id, ask.attachments)


AttachedDep = Annotated[Sequence[Attachment] | None, Depends(_attached)]


@dataclass(frozen=True, slots=True)
class Start:
    """Starts a run, and has the request's answer tell what is left of the quotas."""

    scope: Scope
    runs: Runs

    async def __call__(self, ask: Ask) -> UUID:
        return self.told(await self.runs.start(ask))

    def told(self, run_id: UUID) -> UUID:
        tell_quota(self.scope, self.runs.watch(run_id))
        return run_id


async def _start(request: Request, runs: RunsDep) -> Start:
    return Start(request.scope, runs)


StartDep = Annotated[Start, Depends(_start)]


async def _asked(own: OwnDep, ask: AskIn, attached: AttachedDep, start: StartDep, idempotency_key: Key = None) -> UUID:
    return await start(_ask(own, ask, attached, idempotency_key))


async def _asked_again(own: OwnDep, again: AgainIn, start: StartDep, idempotency_key: Key = None) -> UUID:
    return await start(
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


async def _replied(own: OwnDep, reply: ReplyIn, questions: QuestionsDep, start: StartDep, idempotency_key: Key = None) -> UUID:
    answers = Reply(user=own.user, session_id=own.session.id, answers=reply.by_id(), idempotency_key=idempotency_key)
    return start.told(await questions.answer(answers))


AskedRun = Annotated[UUID, Depends(_asked)]
AskedAgainRun = Annotated[UUID, Depends(_asked_again)]
RepliedRun = Annotated[UUID, Depends(_replied)]


@router.post("/chat", responses=ASKING | ANSWERING)
async def chat(run_id: AskedRun, tails: TailsDep, server: ServerDep) -> AnswerOut:
    """Send a message and wait for the whole answer; a provider's failure is a problem document."""
    return answer_out(await whole_answer(tails, run_id, silence_seconds=server.heartbeat_seconds))


@router.post("/chat/stream", **STREAM | {"responses": ASKING | STREAM["responses"]})
async def chat_stream(run_id: AskedRun, ask: AskIn, runs: RunsDep, tails: TailsDep, server: ServerDep) -> StreamingResponse:
    """Send a message and read the answer as it is made. The run goes on when the connection ends: read on, or stop it, at `runs`."""
    return tail(run_id, ask.on_disconnect, runs, tails, server)


@router.post("/regenerate", responses=ASKING | ANSWERING)
async def regenerate(run_id: AskedAgainRun, tails: TailsDep, server: ServerDep) -> AnswerOut:
    """Answer the last message, or the one named, once more, never from the cache; what was said before becomes another branch."""
    return answer_out(await whole_answer(tails, run_id, silence_seconds=server.heartbeat_seconds))


@router.post("/regenerate/stream", **STREAM | {"responses": ASKING | STREAM["responses"]})
async def regenerate_stream(run_id: AskedAgainRun, again: AgainIn, runs: RunsDep, tails: TailsDep, server: ServerDep) -> StreamingResponse:
    """The same as a stream."""
    return tail(run_id, again.on_disconnect, runs, tails, server)


@router.post("/resume", responses=_replying | ANSWERING)
async def resume(run_id: RepliedRun, tails: TailsDep, server: ServerDep) -> AnswerOut:
    """Answer questions of the agent, which goes on in a run of its own; what is left open it asks again."""
    return answer_out(await whole_answer(tails, run_id, silence_seconds=server.heartbeat_seconds))


@router.post("/resume/stream", **STREAM | {"responses": _replying | STREAM["responses"]})
async def resume_stream(run_id: RepliedRun, reply: ReplyIn, runs: RunsDep, tails: TailsDep, server: ServerDep) -> StreamingResponse:
    """The same as a stream."""
    return tail(run_id, reply.on_disconnect, runs, tails, server)


@router.post("/runs", status_code=202, responses=ASKING)
async def run_in_background(own: OwnDep, ask: AskIn, attached: AttachedDep, runs: RunsDep, idempotency_key: Key = None) -> RunOut:
    """Send a message for a worker to answer; read the run, or its stream, at `runs`."""
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


def tail(run_id: UUID, on_disconnect: OnDisconnect, runs: RunsDep, tails: TailsDep, server: ServerDep) -> StreamingResponse:
    hung_up = partial(runs.stop_soon, run_id) if on_disconnect == "cancel" else None
    return event_stream(tails, run_id, heartbeat_seconds=server.heartbeat_seconds, hung_up=hung_up)


def answer_out(answer: Answer) -> AnswerOut:
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
