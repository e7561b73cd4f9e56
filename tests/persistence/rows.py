"""Runs as processes claim, take and end them, and what is then in the tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all
from app.persistence.runs import RunTable
from app.persistence.sessions import SessionTable
from app.persistence.turns import TurnTable
from app.persistence.values import Entry, FinishedRun, NewRun, Question, Resumption, RunStatus, Session

_CHECKPOINT: Final = """
INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES (%(session_id)s::text, %(id)s, '{}') ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The tables of runs as one process uses them."""

    database: Database
    owner: UUID
    runs: RunTable
    turns: TurnTable


def process(database: Database, *, lease_seconds: float = 60, owner: UUID | None = None) -> Process:
    name = owner or uuid7()
    return Process(
        database=database,
        owner=name,
        runs=RunTable(database.pool, owner=name, lease_seconds=lease_seconds),
        turns=TurnTable(database.pool, owner=name, lease_seconds=lease_seconds),
    )


def new_run(user: User, session: Session, **changes: Any) -> NewRun:
    run = NewRun(
        id=uuid7(),
        session_id=session.id,
        user_id=user.id,
        asked_id=uuid7(),
        message_id=uuid7(),
        model="stub",
        text="When does the train leave?",
        title="The train",
        body_hash=uuid4().hex,
    )
    return replace(run, **changes)


async def claimed(here: Process, user: User, session: Session, **changes: Any) -> NewRun:
    run = new_run(user, session, **changes)
    assert await here.turns.claim(run)
    return run


async def answered(here: Process, user: User, session: Session, text: str = "A", **changes: Any) -> NewRun:
    """A turn from its beginning to its end: the answer is the question in small letters, and its checkpoint "at " and the question."""
    run = await claimed(here, user, session, text=text, **changes)
    await execute(here.database.pool, _CHECKPOINT, {"session_id": session.id, "id": f"at {text[:9]}"})
    assert await here.runs.finish(finished(run, content=text.lower(), checkpoint=f"at {text[:9]}"))
    return run


def new_resumption(user: User, session: Session, answers: Mapping[str, Any], **changes: Any) -> Resumption:
    run = Resumption(
        id=uuid7(), session_id=session.id, user_id=user.id, message_id=uuid7(), model="stub", answers=answers, answered_by=user.id
    )
    return replace(run, **changes)


def finished(run: NewRun | Resumption, **changes: Any) -> FinishedRun:
    """The run's end as its first attempt writes it."""
    end = FinishedRun(
        id=run.id,
        attempt=1,
        message_id=run.message_id,
        status=RunStatus.COMPLETED,
        content="At noon.",
        events=[Entry(1, "end", b'{"done":true}')],
    )
    return replace(end, **changes)


def asking(run: NewRun | Resumption, *questions: str, seconds: float = 60, **changes: Any) -> FinishedRun:
    """The end of a run that asks people so many questions, to be answered within that time."""
    wanted = [Question(id=question, value={"kind": question}, schema={"type": "object"}) for question in questions]
    end = finished(
        run, status=RunStatus.INTERRUPTED, content="", questions=wanted, expires_at=datetime.now(UTC) + timedelta(seconds=seconds)
    )
    return replace(end, **changes)


async def row_of(database: Database, run_id: UUID) -> dict[str, Any]:
    [row] = await fetch_all(database.pool, "SELECT * FROM run WHERE id = %(run_id)s", {"run_id": run_id})
    return row


async def head_of(database: Database, session: Session) -> UUID | None:
    [row] = await fetch_all(database.pool, "SELECT head_run_id FROM session WHERE id = %(session_id)s", {"session_id": session.id})
    head: UUID | None = row["head_run_id"]
    return head


async def jobs(database: Database, task: str) -> Sequence[UUID]:
    """What the jobs of this task that are to be done are about, in the order they came."""
    statement = "SELECT args FROM procrastinate_jobs WHERE queue_name = 'milepost' AND task_name = %(task)s AND status = 'todo' ORDER BY id"
    rows = await fetch_all(database.pool, statement, {"task": task})
    return [UUID(about) for row in rows for about in row["args"].values()]


async def outcomes(database: Database, session: Session) -> dict[str, str]:
    """How each question of the session stands."""
    statement = "SELECT id, outcome FROM interrupt WHERE session_id = %(session_id)s"
    return {row["id"]: row["outcome"] for row in await fetch_all(database.pool, statement, {"session_id": session.id})}


async def contents(database: Database, session: Session) -> list[str]:
    """The transcript, as far as words go."""
    return [message.content for message in await SessionTable(database).transcript(session.id, limit=100, before=None)]
