"""The doors themselves: what is asked at them, version 1 answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from app.api.deps import CallerDep, Own, OwnDep, SessionsDep
from app.api.errors import problems
from app.api.legacy.schemas import ChatIn, ChatOut, HistoryIn, HistoryOut, MessageIn, PlainSaid, SaidOut
from app.api.v1.chat import ANSWERING, ASKING, Begun, Key, answer, asked
from app.api.v1.opening import opened
from app.api.v1.router import EVERYWHERE, SIGNED_IN
from app.errors import InvalidInput, SessionNotFound
from app.persistence.configured import Held
from app.persistence.values import Message, Role
from app.runs.sessions import Sessions

_TYPES: Final[Mapping[Role, str]] = {Role.USER: "human", Role.ASSISTANT: "ai"}
_not_found = problems(SessionNotFound)

router = APIRouter(tags=["legacy"], deprecated=True, responses=EVERYWHERE | SIGNED_IN)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A run, the session it is of, and what was said to set it off."""

    session_id: UUID
    text: str
    run: Begun


async def _asked_somewhere(caller: CallerDep, ask: ChatIn, request: Request, sessions: SessionsDep, idempotency_key: Key = None) -> _Turn:
    said = ask.as_v1()
    if ask.named:
        own = Own(caller, await sessions.read(caller.user.id, _told(request, ask.named)))
        return _Turn(own.session.id, said.message, await asked(own, said, request, idempotency_key))
    if idempotency_key:
        raise InvalidInput("An Idempotency-Key takes a session_id: without one, each request opens a session of its own.")
    async with opened(sessions, caller.user.id, Held()) as session:
        run = await asked(Own(caller, session), said, request)
    return _Turn(_told(request, session.id), said.message, run)


async def _asked_there(own: OwnDep, ask: MessageIn, request: Request, idempotency_key: Key = None) -> _Turn:
    said = ask.as_v1()
    return _Turn(own.session.id, said.message, await asked(own, said, request, idempotency_key))


def _told(request: Request, session_id: UUID) -> UUID:
    """As if the path had it, for the log and for the link to the successor."""
    request.scope["path_params"]["session_id"] = str(session_id)
    return session_id


@router.post("/chat", responses=ASKING | ANSWERING)
@router.post("/api/agent/chat", responses=ASKING | ANSWERING)
async def chat(turn: Annotated[_Turn, Depends(_asked_somewhere)]) -> ChatOut:
    """Use `POST /api/v1/sessions/{session_id}/chat`."""
    return await _reply(turn)


@router.post("/api/sessions/{session_id}/chat", responses=ASKING | ANSWERING)
async def chat_in_session(turn: Annotated[_Turn, Depends(_asked_there)]) -> ChatOut:
    """Use `POST /api/v1/sessions/{session_id}/chat`."""
    return await _reply(turn)


@router.get("/history", responses=_not_found)
async def read_history(caller: CallerDep, wanted: Annotated[HistoryIn, Query()], request: Request, sessions: SessionsDep) -> HistoryOut:
    """Use `GET /api/v1/sessions/{session_id}/messages`."""
    assert wanted.named  # noqa: S101  # its model refuses any other
    session = await sessions.read(caller.user.id, _told(request, wanted.named))
    return await _history(sessions, session.id, wanted.limit, wanted.before)


@router.post("/history", responses=_not_found)
async def ask_for_history(caller: CallerDep, wanted: HistoryIn, request: Request, sessions: SessionsDep) -> HistoryOut:
    """Use `GET /api/v1/sessions/{session_id}/messages`."""
    return await read_history(caller, wanted, request, sessions)


@router.get("/api/sessions/{session_id}/history", responses=_not_found)
async def read_history_of_session(
    own: OwnDep, sessions: SessionsDep, limit: Annotated[int, Query(ge=1, le=100)] = 100, before: UUID | None = None
) -> HistoryOut:
    """Use `GET /api/v1/sessions/{session_id}/messages`."""
    return await _history(sessions, own.session.id, limit, before)


async def _reply(turn: _Turn) -> ChatOut:
    answered = await answer(turn.run)
    text = answered.message.content
    said = [PlainSaid(role=Role.USER, content=turn.text), PlainSaid(role=Role.ASSISTANT, content=text)]
    more = {"session_id": turn.session_id, "thread_id": turn.session_id, "content": text, "response": text, "messages": said}
    return ChatOut.model_validate(dict(answered) | more)


async def _history(sessions: Sessions, session_id: UUID, limit: int, before: UUID | None) -> HistoryOut:
    page = await sessions.transcript(session_id, limit=limit, before=before)
    return HistoryOut(session_id=session_id, thread_id=session_id, messages=[*map(_said, page.items)], next_before=page.next)


def _said(message: Message) -> SaidOut:
    return SaidOut.model_validate(
        {
            "id": message.id,
            "run_id": message.run_id,
            "role": message.role,
            "type": _TYPES[message.role],
            "content": message.content,
            "status": message.status,
            "created_at": message.created_at,
        }
    )
