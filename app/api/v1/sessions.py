"""Conversations and what was said in them."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.api.deps import CurrentUser, OwnDep, OwnSession, QuestionsDep, RunsDep, SessionsDep
from app.api.errors import problems
from app.api.v1.chat_schemas import InterruptOut
from app.api.v1.session_schemas import (
    BranchOut,
    ChosenBranch,
    ConfigOut,
    MessageOut,
    MessagePage,
    NewSession,
    SessionChange,
    SessionOut,
    SessionPage,
    StateOut,
    WaitingOut,
)
from app.api.v1.text import SOUND
from app.errors import BranchNotFound, InvalidInput, SessionBusy, SessionNotFound, UnknownAgent, UnknownModel
from app.persistence.configured import Held
from app.persistence.values import Message, Session
from app.runs.sessions import Sessions

router = APIRouter()

_not_found = problems(SessionNotFound)
_setting = problems(InvalidInput, UnknownAgent, UnknownModel)
Limit = Annotated[int, Query(ge=1, le=100, description="Most items of a page")]


@router.post("", status_code=201, responses=_setting)
async def create_session(new: NewSession, user: CurrentUser, sessions: SessionsDep) -> SessionOut:
    """Open a conversation; without a name it takes the first words said in it.

    A temporary one is never remembered, and is deleted when nothing was said in it for `TEMPORARY_SESSION_HOURS`.
    """
    held = Held(remembers=new.remembers is not False, temporary=new.temporary, agent=new.agent, config=new.config)
    made = await sessions.create(user.id, new.name, held)
    return _session(made, sessions)


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
    return SessionPage(items=[_session(session, sessions) for session in page.items], next_cursor=page.next)


@router.get("/{session_id}", responses=_not_found)
async def read_session(session: OwnSession, sessions: SessionsDep) -> SessionOut:
    return _session(session, sessions)


@router.patch("/{session_id}", responses=_setting | _not_found)
async def change_session(own: OwnDep, change: SessionChange, sessions: SessionsDep) -> SessionOut:
    """Rename it, switch memory on or off in it, or set its agent anew; a temporary one is never remembered.

    `config` takes the place of the whole one that held; it holds from the next message on, and a run tells the version it used.
    """
    await sessions.change(own.session, name=change.name, remembers=change.remembers, config=change.config)
    return _session(await sessions.read(own.user.id, own.session.id), sessions)


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
        next=await runs.next_nodes(session),
        interrupts=[InterruptOut.model_validate(question, from_attributes=True) for question in await questions.open(session.id)],
    )


@router.get("/{session_id}/configs", responses=_not_found)
async def list_configs(session: OwnSession, sessions: SessionsDep) -> list[ConfigOut]:
    """What was set of its agent, version by version, the newest first, a hundred at the most."""
    return [ConfigOut.model_validate(one, from_attributes=True) for one in await sessions.configs(session.id)]


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


def _session(session: Session, sessions: Sessions) -> SessionOut:
    return SessionOut(**asdict(session), ends_at=sessions.ends_at(session))


def _message(message: Message) -> MessageOut:
    return MessageOut.model_validate(message, from_attributes=True)
