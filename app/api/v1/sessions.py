"""Conversations and what was said in them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.api.deps import CurrentUser, OwnSession, QuestionsDep, RunsDep, SessionsDep
from app.api.errors import problems
from app.api.v1.chat_schemas import InterruptOut
from app.api.v1.session_schemas import (
    BranchOut,
    ChosenBranch,
    MessageOut,
    MessagePage,
    NewSession,
    RenamedSession,
    SessionOut,
    SessionPage,
    StateOut,
    WaitingOut,
)
from app.api.v1.text import SOUND
from app.errors import BranchNotFound, SessionBusy, SessionNotFound
from app.persistence.values import Message, Session

router = APIRouter()

_not_found = problems(SessionNotFound)
Limit = Annotated[int, Query(ge=1, le=100, description="Most items of a page")]


@router.post("", status_code=201)
async def create_session(new: NewSession, user: CurrentUser, sessions: SessionsDep) -> SessionOut:
    """Open a conversation; without a name it takes the first words said in it."""
    return _session(await sessions.create(user.id, new.name))


@router.get("")
async def list_sessions(
    user: CurrentUser,
    sessions: SessionsDep,
    limit: Limit = 20,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
    q: Annotated[str, Query(max_length=200, description="Part of a name, in any case"), SOUND] = "",
) -> SessionPage:
    """One's own sessions, newest first."""
    page = await sessions.page(user.id, limit=limit, before=cursor, search=q)
    return SessionPage(items=[*map(_session, page.items)], next_cursor=page.next)


@router.get("/{session_id}", responses=_not_found)
async def read_session(session: OwnSession) -> SessionOut:
    return _session(session)


@router.patch("/{session_id}", responses=_not_found)
async def rename_session(session: OwnSession, renamed: RenamedSession, user: CurrentUser, sessions: SessionsDep) -> SessionOut:
    await sessions.rename(session.id, renamed.name)
    return _session(await sessions.read(user.id, session.id))


@router.delete("/{session_id}", status_code=204, responses=_not_found)
async def delete_session(session: OwnSession, sessions: SessionsDep) -> None:
    """Delete the conversation with its messages and checkpoints; a live answer is stopped."""
    await sessions.delete(session.id)


@router.get("/{session_id}/state", responses=_not_found)
async def read_state(session: OwnSession, runs: RunsDep, questions: QuestionsDep) -> StateOut:
    """What the session is doing: a page that was reloaded reads on at the live run, or shows what the agent asks."""
    return StateOut(
        live_run_id=await runs.live_run(session.id),
        waiting=[WaitingOut.model_validate(run, from_attributes=True) for run in await runs.waiting(session.id)],
        next=await runs.next_nodes(session.id),
        interrupts=[InterruptOut.model_validate(question, from_attributes=True) for question in await questions.open(session.id)],
    )


@router.get("/{session_id}/branches", responses=_not_found)
async def list_branches(session: OwnSession, sessions: SessionsDep) -> list[BranchOut]:
    """The turns that were said again and those beside them, the oldest first: same `parent_id`, same place in the conversation."""
    return [BranchOut.model_validate(branch, from_attributes=True) for branch in await sessions.branches(session.id)]


@router.put("/{session_id}/branch", status_code=204, responses=problems(SessionNotFound, BranchNotFound, SessionBusy))
async def show_branch(session: OwnSession, chosen: ChosenBranch, sessions: SessionsDep) -> None:
    """Go on from the branch that goes through a run: the transcript shows it, and what is said next follows it."""
    await sessions.show_branch(session.id, chosen.run_id)


@router.get("/{session_id}/messages", responses=_not_found)
async def list_messages(
    session: OwnSession,
    sessions: SessionsDep,
    limit: Limit = 50,
    before: Annotated[UUID | None, Query(description="`next_before` of the page after")] = None,
) -> MessagePage:
    """The transcript's latest messages, oldest first."""
    page = await sessions.transcript(session.id, limit=limit, before=before)
    return MessagePage(items=[*map(_message, page.items)], next_before=page.next)


@router.delete("/{session_id}/messages", status_code=204, responses=_not_found)
async def clear_messages(session: OwnSession, sessions: SessionsDep) -> None:
    """Forget what was said, in the transcript and in the agent's state; the session stays."""
    await sessions.clear(session.id)


def _session(session: Session) -> SessionOut:
    return SessionOut.model_validate(session, from_attributes=True)


def _message(message: Message) -> MessageOut:
    return MessageOut.model_validate(message, from_attributes=True)
