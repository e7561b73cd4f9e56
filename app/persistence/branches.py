"""The ways a conversation has taken: turns that were said again are branches, and one of them is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from app.persistence.attached import attachments_of, attachments_sql
from app.persistence.database import Pool, database_errors, fetch_all
from app.persistence.states import LIVE_SQL
from app.persistence.values import Attachment

_FIRST_WORDS: Final = 200

# Turns that follow the same run, where there are several; what was undone has no message.
_BRANCHES: Final = f"""
WITH RECURSIVE shown AS (
    SELECT run.id, run.parent_id FROM session JOIN run ON run.id = session.head_run_id WHERE session.id = %(session_id)s
    UNION ALL
    SELECT run.id, run.parent_id FROM run JOIN shown ON run.id = shown.parent_id
), turn AS (
    SELECT run.id, run.parent_id, left(message.content, {_FIRST_WORDS}) AS text, run.created_at,
           count(*) OVER (PARTITION BY run.parent_id) AS siblings
      FROM run JOIN message ON message.id = run.asked_id WHERE run.session_id = %(session_id)s AND NOT run.waiting
)
SELECT turn.id AS run_id, turn.parent_id, turn.text, turn.created_at, EXISTS (SELECT FROM shown WHERE shown.id = turn.id) AS is_shown
  FROM turn WHERE siblings > 1 ORDER BY turn.id
"""
# From the chosen turn on, always the way that was taken last.
_SHOW: Final = f"""
WITH RECURSIVE below AS (
    SELECT id, session_id, 1 AS depth FROM run WHERE id = %(run_id)s AND session_id = %(session_id)s AND NOT waiting
    UNION ALL
    SELECT next.id, below.session_id, below.depth + 1 FROM below JOIN LATERAL (
        SELECT run.id FROM run JOIN message ON message.run_id = run.id
         WHERE run.parent_id = below.id AND NOT run.waiting ORDER BY run.id DESC LIMIT 1
    ) AS next ON true
)
UPDATE session SET head_run_id = (SELECT id FROM below ORDER BY depth DESC LIMIT 1)
 WHERE id = %(session_id)s AND EXISTS (SELECT FROM below)
   AND NOT EXISTS (SELECT FROM run WHERE run.session_id = %(session_id)s AND {LIVE_SQL})
"""
_LOCK_SESSION: Final = "SELECT FROM session WHERE id = %(session_id)s FOR UPDATE"
# Where the turn of a message began, and what was said before it.
_TURN_OF: Final = """
WITH RECURSIVE turn AS (
    SELECT run.id, run.parent_id, run.asked_id FROM message JOIN run ON run.id = message.run_id
     WHERE message.session_id = %(session_id)s AND message.id = %(message_id)s AND NOT run.waiting
    UNION ALL
    SELECT run.id, run.parent_id, run.asked_id FROM run JOIN turn ON run.id = turn.parent_id WHERE turn.asked_id IS NULL
)
SELECT turn.parent_id, message.content, {attached} AS attachments FROM turn JOIN message ON message.id = turn.asked_id
""".replace("{attached}", attachments_sql("message.id"))
_LAST_ANSWER: Final = """
SELECT message.id FROM session JOIN message ON message.run_id = session.head_run_id WHERE session.id = %(session_id)s
 ORDER BY message.id DESC LIMIT 1
"""
_UNFINISHED_CHECKPOINT: Final = """
SELECT checkpoint FROM run JOIN session ON session.head_run_id = run.id WHERE session.id = %(session_id)s AND status <> 'completed'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One of several turns that follow the same one; `run_id` began it. `is_shown` tells whether the transcript goes through it."""

    run_id: UUID
    parent_id: UUID | None
    text: str
    created_at: datetime
    is_shown: bool


class BranchTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def branches(self, session_id: UUID) -> Sequence[Branch]:
        """The turns that have others beside them, the oldest first."""
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Branch)) as cursor:
                await cursor.execute(_BRANCHES, {"session_id": session_id})
                return await cursor.fetchall()

    async def show(self, session_id: UUID, run_id: UUID) -> bool:
        """Go on from the branch that goes through this run; False when there is no such run, or the session is answering."""
        values = {"session_id": session_id, "run_id": run_id}
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                # A message that arrives now is claimed before we look, and in the way, or after it.
                await connection.execute(_LOCK_SESSION, values)
                return bool((await connection.execute(_SHOW, values)).rowcount)

    async def turn_of(self, session_id: UUID, message_id: UUID) -> tuple[UUID | None, str, Sequence[Attachment]] | None:
        """The run before the turn that this message is part of, and what the user said and sent in it; None when it is not there."""
        rows = await fetch_all(self._pool, _TURN_OF, {"session_id": session_id, "message_id": message_id})
        return (rows[0]["parent_id"], rows[0]["content"], attachments_of(rows[0]["attachments"])) if rows else None

    async def last_message(self, session_id: UUID) -> UUID | None:
        rows = await fetch_all(self._pool, _LAST_ANSWER, {"session_id": session_id})
        return rows[0]["id"] if rows else None

    async def unfinished_checkpoint(self, session_id: UUID) -> str | None:
        """LangGraph's checkpoint at which the branch that is shown ends, when something is left to be done there."""
        rows = await fetch_all(self._pool, _UNFINISHED_CHECKPOINT, {"session_id": session_id})
        return rows[0]["checkpoint"] if rows else None
