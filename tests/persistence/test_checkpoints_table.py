"""Pruning beside claims: a turn is said again with what was known before it, or not at all."""

import asyncio
from uuid import UUID

import pytest

from app import signals
from app.errors import TurnTooOld
from app.persistence.accounts import User
from app.persistence.checkpoints import CheckpointTable
from app.persistence.database import Database, fetch_all
from app.persistence.values import Session
from app.settings import Settings
from tests.persistence.moments import once, until_waiting
from tests.persistence.rows import Process, answered, claimed, head_of, new_run
from tests.told import hearing

_LEFT = "SELECT checkpoint_id FROM checkpoints WHERE thread_id = %(session_id)s::text ORDER BY checkpoint_id"


async def _left(database: Database, session: Session) -> list[str]:
    return [row["checkpoint_id"] for row in await fetch_all(database.pool, _LEFT, {"session_id": session.id})]


async def test_what_is_pruned_while_a_fork_is_claimed_is_not_gone_on_from(
    database: Database, settings: Settings, here: Process, user: User, session: Session
) -> None:
    first = await answered(here, user, session, "A")
    last = await answered(here, user, session, "B")
    fork = new_run(user, session, forks=True, parent_id=first.id, idempotency_key="once")
    async with database.pool.connection() as pruning, pruning.transaction():
        await pruning.execute("SELECT FROM session WHERE id = %s FOR UPDATE", [session.id])
        claiming = asyncio.create_task(here.turns.claim(fork))
        await once(until_waiting(settings.database.url, 1))
        await pruning.execute("DELETE FROM checkpoints WHERE thread_id = %s AND checkpoint_id = 'at A'", [str(session.id)])
    with pytest.raises(TurnTooOld):
        await claiming
    assert await head_of(database, session) == last.id
    assert await here.turns.live_run(session.id) is None
    assert await here.turns.sent_before(user.id, "once") is None


async def test_ends_of_branches_stay_and_what_was_undone_goes(database: Database, here: Process, user: User, session: Session) -> None:
    runs = {text: await answered(here, user, session, text) for text in "ABC"}
    await answered(here, user, session, "D", forks=True, parent_id=runs["A"].id)
    undone = await answered(here, user, session, "E")
    await here.turns.undo(undone.id)
    for text in "FGH":
        await answered(here, user, session, text)
    checkpoints = CheckpointTable(database.pool)
    assert await checkpoints.prunable(UUID(int=0), 9) == [session.id]
    with hearing(signals.checkpoints_pruned) as told:
        assert await checkpoints.prune(session.id, 1) == 5
        assert await checkpoints.prune(session.id, 1) == 0
    assert told == [("checkpoints_pruned", 5)]
    # The end of the other branch, and where the latest turn began and ended.
    assert await _left(database, session) == ["at C", "at G", "at H"]
    assert await checkpoints.prunable(UUID(int=0), 9) == []
    await claimed(here, user, session)
    assert await checkpoints.prunable(UUID(int=0), 9) == []
    assert await checkpoints.prune(session.id, 1) == 0
