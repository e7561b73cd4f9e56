"""Runs as tests claim and end them."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

from uuid_utils.compat import uuid7

from app.persistence.runs import RunTable
from app.persistence.values import Entry, FinishedRun, NewRun, RunStatus, Session, User


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


async def claimed(runs: RunTable, user: User, session: Session, **changes: Any) -> NewRun:
    run = new_run(user, session, **changes)
    assert await runs.claim(run)
    return run


def finished(run: NewRun, **changes: Any) -> FinishedRun:
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
