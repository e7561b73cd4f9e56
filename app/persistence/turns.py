"""How runs get into their session, in plain SQL: one statement starts a run, and its indexes are the locks."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.errors import TurnTooOld
from app.persistence.channels import WORK
from app.persistence.claiming import claim_sql, resume_sql
from app.persistence.database import Pool, database_errors, fetch_all
from app.persistence.jobs import make_run_sql
from app.persistence.quota_values import held
from app.persistence.states import LIVE_SQL, TURN_SQL
from app.persistence.turn_values import WaitingRun
from app.persistence.values import Claim, NewRun, Resumption, Run, RunStatus, columns_of

RUN_COLUMNS: Final = (
    "id, session_id, user_id, status, attempt, model, config_version, parent_id, asked_id, message_id, body_hash, error_code, "
    "input_tokens, output_tokens, reasoning_tokens, cached_tokens, cost_usd, created_at, started_at, first_token_at, finished_at"
)

_FIRST_WORDS: Final = 200

# After the claim, as a new message does it: two that lock in different orders would wait for each other. None of the questions is
# answered twice: whoever closes it first goes on.
_ANSWER: Final = """
UPDATE interrupt SET outcome = %(outcome)s, answer = answers.value, answered_by = %(answered_by)s, resumed_by = %(id)s, closed_at = now()
  FROM jsonb_each(%(answers)s) AS answers, run
 WHERE run.id = %(id)s AND interrupt.session_id = run.session_id AND interrupt.run_id = run.parent_id
   AND interrupt.id = answers.key AND interrupt.outcome = 'open'
"""

# Where it goes on from was pruned.
_IS_TOO_OLD: Final = """
SELECT FROM run, unnest(ARRAY[run.from_checkpoint, %(replays)s]) AS needed (id) WHERE run.id = %(id)s AND needed.id IS NOT NULL
   AND NOT EXISTS (SELECT FROM checkpoints WHERE thread_id = run.session_id::text AND checkpoint_ns = '' AND checkpoint_id = needed.id)
"""
# Until it ends it has come as far as the checkpoint that it replays.
_REPLAY: Final = "UPDATE run SET checkpoint = %(replays)s WHERE id = %(id)s"

_SENT_BEFORE: Final = f"SELECT {RUN_COLUMNS} FROM run WHERE user_id = %(user_id)s AND idempotency_key = %(key)s"
_IN_THE_WAY: Final = f"SELECT id FROM run WHERE session_id = %(session_id)s AND {LIVE_SQL} ORDER BY waiting DESC, id DESC"
_WAITING: Final = f"""
SELECT run.id AS run_id, left(message.content, {_FIRST_WORDS}) AS text, run.created_at FROM run JOIN message ON message.id = run.asked_id
 WHERE run.session_id = %(session_id)s AND run.waiting AND run.status = 'queued' ORDER BY run.id
"""
_LIVE_RUN: Final = f"SELECT id FROM run WHERE session_id = %(session_id)s AND {TURN_SQL}"

# A run for a worker whose job is gone, or has failed too often.
_REQUEUE: Final = f"""
SELECT {make_run_sql("run.id")} FROM run
 WHERE run.status = 'queued' AND run.background AND NOT run.waiting AND run.created_at < now() - interval '1 minute'
   AND NOT EXISTS (SELECT FROM procrastinate_jobs WHERE task_name = 'make_run' AND args ->> 'run_id' = run.id::text
                      AND status IN ('todo', 'doing'))
"""

# What waits in a session whose turn is free: its next run gets the turn, and goes on from what was said until then.
_PROMOTE: Final = f"""
WITH next AS (
    SELECT DISTINCT ON (session_id) id, session_id FROM run
     WHERE waiting AND status = 'queued' AND (%(session_id)s::uuid IS NULL OR session_id = %(session_id)s)
       AND NOT EXISTS (SELECT FROM run AS holder WHERE holder.session_id = run.session_id AND holder.status IN ('queued', 'running')
                          AND NOT holder.waiting)
     ORDER BY session_id, id
), promoted AS (
    UPDATE run SET waiting = false, parent_id = session.head_run_id,
           from_checkpoint = (SELECT checkpoint FROM run AS head WHERE head.id = session.head_run_id),
           lease_expires_at = CASE WHEN run.background THEN NULL WHEN run.owner IS NULL THEN now()
                                   ELSE now() + make_interval(secs => %(lease_seconds)s) END
      FROM next JOIN session ON session.id = next.session_id WHERE run.id = next.id AND run.waiting
    RETURNING run.id, run.session_id, run.parent_id, run.background
), withdrawn AS (
    UPDATE interrupt SET outcome = 'withdrawn', closed_at = now()
      FROM promoted WHERE interrupt.run_id = promoted.parent_id AND outcome = 'open'
), shown AS (
    UPDATE session SET head_run_id = promoted.id FROM promoted WHERE session.id = promoted.session_id
)
SELECT promoted.id, CASE WHEN promoted.background THEN {make_run_sql("promoted.id")} END,
       CASE WHEN NOT promoted.background THEN pg_notify('{WORK}', promoted.id::text) END
  FROM promoted
"""

_LOCK_SESSION_OF: Final = "SELECT FROM session WHERE id = (SELECT session_id FROM run WHERE id = %(run_id)s) FOR UPDATE"
# A turn is a message's run and those that went on after its questions.
_UNDO: Final = """
WITH RECURSIVE turn AS (
    SELECT run.id, run.session_id, run.parent_id, run.asked_id FROM run JOIN session ON session.head_run_id = run.id
     WHERE run.id = %(run_id)s
    UNION ALL
    SELECT run.id, run.session_id, run.parent_id, run.asked_id FROM run JOIN turn ON run.id = turn.parent_id WHERE turn.asked_id IS NULL
), unsaid AS (
    DELETE FROM message USING turn WHERE message.run_id = turn.id
)
UPDATE session SET head_run_id = turn.parent_id, updated_at = now()
  FROM turn WHERE turn.asked_id IS NOT NULL AND session.id = turn.session_id
"""


log = structlog.get_logger()


class TurnTable:
    """Who has which session's turn; `owner` is this process's name in its runs' leases."""

    def __init__(self, pool: Pool, *, owner: UUID, lease_seconds: float) -> None:
        self._pool = pool
        self._lease: Mapping[str, object] = {"owner": owner, "lease_seconds": lease_seconds}

    async def claim(self, run: NewRun) -> Claim | None:
        """Take the session's turn, or a place behind it, and write the user's message.

        None when another run has the turn, the idempotency key is taken, or the session is not the user's. Raise OverLimit, or
        TurnTooOld when it forks where no checkpoint is kept; nothing is taken then.
        """
        if run.forks:
            return await self._claim_fork(run)
        rows = await fetch_all(self._pool, *self._claiming(run))
        return _claim(rows[0]) if rows else None

    async def _claim_fork(self, run: NewRun) -> Claim | None:
        # Looked at after the claim: from then on the session is locked, and nobody prunes it.
        claim, values = self._claiming(run)
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                row = await (await connection.execute(claim, values)).fetchone()
                claimed = _claim(row) if row else None
                if claimed:
                    if await (await connection.execute(_IS_TOO_OLD, values)).fetchone() is not None:
                        raise TurnTooOld
                    if run.replays:
                        await connection.execute(_REPLAY, values)
        return claimed

    def _claiming(self, run: NewRun) -> tuple[str, dict[str, Any]]:
        attached = [attachment.id for attachment in run.attachments]
        values = {**self._lease, **columns_of(run), "attachment_ids": attached, "wish": run.wish and run.wish.text}
        return claim_sql(attached=bool(attached), held=run.wish is not None), values

    async def claim_resumption(self, run: Resumption) -> Claim | None:
        """Take the session's turn and close the questions that are answered, all or nothing.

        None when one of them is not open any more, and for the same reasons as `claim`; raise OverLimit as that does.
        """
        outcome = "expired" if run.answered_by is None else "answered"
        values = {**self._lease, **columns_of(run), "answers": Jsonb({**run.answers}), "outcome": outcome, "asked_id": None, "cache": False}
        values["wish"] = run.wish and run.wish.text
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction() as transaction:
                row = await (await connection.execute(resume_sql(held=run.wish is not None), values)).fetchone()
                claimed = _claim(row) if row else None
                closed = (await connection.execute(_ANSWER, values)).rowcount if claimed else 0
                if claimed and closed != len(run.answers):
                    claimed = None
                    raise psycopg.Rollback(transaction)
        return claimed

    async def sent_before(self, user_id: UUID, key: str) -> Run | None:
        """The run that this user's idempotency key started."""
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Run)) as cursor:
                await cursor.execute(_SENT_BEFORE, {"user_id": user_id, "key": key})
                return await cursor.fetchone()

    async def live_run(self, session_id: UUID) -> UUID | None:
        """The run that has the session's turn."""
        rows = await fetch_all(self._pool, _LIVE_RUN, {"session_id": session_id})
        return rows[0]["id"] if rows else None

    async def waiting(self, session_id: UUID) -> Sequence[WaitingRun]:
        """The messages that wait for their turn, the next one first."""
        return [WaitingRun(**row) for row in await fetch_all(self._pool, _WAITING, {"session_id": session_id})]

    async def in_the_way(self, session_id: UUID) -> Sequence[UUID]:
        """The runs of the session that have not ended: those that wait, the last one first, then the one that has the turn."""
        return [row["id"] for row in await fetch_all(self._pool, _IN_THE_WAY, {"session_id": session_id})]

    async def promote(self, session_id: UUID | None = None) -> None:
        """Give the turn to the next that waits, in this session or in any, where nobody has it."""
        # Another process may do it at the same moment, and the turn lock lets one of them.
        with database_errors(), suppress(psycopg.errors.UniqueViolation):
            async with self._pool.connection() as connection:
                await connection.execute(_PROMOTE, {**self._lease, "session_id": session_id})

    async def requeue(self) -> None:
        """Put runs that wait for a worker, and have no job, into the queue again."""
        if found := await fetch_all(self._pool, _REQUEUE, {}):
            log.warning("runs_requeued", runs=len(found))

    async def undo(self, run_id: UUID) -> None:
        """Forget the turn of a run that has ended: its messages, and that the conversation went through it.

        Nothing happens when the conversation has gone on from it.
        """
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_LOCK_SESSION_OF, {"run_id": run_id})
                await connection.execute(_UNDO, {"run_id": run_id})


def _claim(row: Mapping[str, Any]) -> Claim | None:
    kept = held(row["quota"]) if "quota" in row else None
    if kept and row["claimed_id"] is None:
        return None
    status = RunStatus(row["parent_status"]) if row["parent_status"] else None
    names = ("queued", "from_checkpoint", "recalls", "agent", "config")
    return Claim(parent_status=status, held=kept, **{name: row[name] for name in names})
