"""Runs in plain SQL: one statement starts a run, one ends it, and each write carries the attempt that makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.persistence.channels import EVENTS, STOPS
from app.persistence.database import Pool, database_errors
from app.persistence.events import as_lines
from app.persistence.tables import LIVE_SQL
from app.persistence.values import FinishedRun, NewRun, Run, TakenRun, User

# The turn lock is the unique index over live runs, and a request sent twice meets the one over idempotency keys: a second claim
# inserts nothing, and so writes no message either.
_CLAIM: Final = """
WITH claimed AS (
    INSERT INTO run (id, session_id, user_id, status, attempt, model, asked_id, message_id, idempotency_key, body_hash, stop_requested,
                     owner, lease_expires_at, input_tokens, output_tokens, created_at)
    SELECT %(id)s, session.id, session.user_id, 'running', 1, %(model)s, %(asked_id)s, %(message_id)s, %(idempotency_key)s,
           %(body_hash)s, false, %(owner)s, now() + make_interval(secs => %(lease_seconds)s), 0, 0, now()
      FROM session WHERE session.id = %(session_id)s AND session.user_id = %(user_id)s
    ON CONFLICT DO NOTHING
    RETURNING id, session_id
), said AS (
    INSERT INTO message (id, session_id, run_id, role, content, reasoning, tool_calls, status, created_at)
    SELECT %(asked_id)s, session_id, id, 'user', %(text)s, '', '[]', 'completed', now() FROM claimed
), touched AS (
    UPDATE session SET updated_at = now(), name = CASE WHEN name = '' THEN %(title)s ELSE name END
      FROM claimed WHERE session.id = claimed.session_id
)
SELECT id FROM claimed
"""

_COLUMNS: Final = (
    "id, session_id, user_id, status, attempt, model, asked_id, message_id, body_hash, error_code, input_tokens, output_tokens, "
    "created_at, finished_at"
)
_READ: Final = f"SELECT {_COLUMNS} FROM run WHERE id = %(run_id)s AND user_id = %(user_id)s"
_SENT_BEFORE: Final = f"SELECT {_COLUMNS} FROM run WHERE user_id = %(user_id)s AND idempotency_key = %(key)s"
_LIVE_RUN: Final = f"SELECT id FROM run WHERE session_id = %(session_id)s AND {LIVE_SQL}"

# The last events go with the end: a reader who sees `end` finds the answer in the transcript, and the log is whole.
_FINISH: Final = f"""
WITH finished AS (
    UPDATE run SET status = %(status)s, error_code = %(error_code)s, finished_at = now(), lease_expires_at = NULL,
           input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s
     WHERE id = %(id)s AND attempt = %(attempt)s AND {LIVE_SQL}
    RETURNING id, session_id
), answered AS (
    INSERT INTO message (id, session_id, run_id, role, content, reasoning, tool_calls, status, created_at)
    SELECT %(message_id)s, session_id, id, 'assistant', %(content)s, %(reasoning)s, %(tool_calls)s, %(status)s, now() FROM finished
), logged AS (
    INSERT INTO run_event (run_id, first_sequence, last_sequence, events, created_at)
    SELECT id, %(first_sequence)s, %(last_sequence)s, %(lines)s, now() FROM finished
    ON CONFLICT (run_id, first_sequence) DO UPDATE SET last_sequence = excluded.last_sequence, events = excluded.events
)
SELECT id, pg_notify('{EVENTS}', id::text) FROM finished
"""

_RENEW: Final = f"""
UPDATE run SET lease_expires_at = now() + make_interval(secs => %(lease_seconds)s)
 WHERE id = ANY(%(run_ids)s) AND owner = %(owner)s AND {LIVE_SQL}
"""

# Each lost run goes to one of the processes that look at the same moment.
_TAKE_LOST: Final = f"""
WITH lost AS (
    SELECT id FROM run WHERE {LIVE_SQL} AND lease_expires_at < now() ORDER BY id LIMIT %(most)s FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE run SET attempt = attempt + 1, owner = %(owner)s, lease_expires_at = now() + make_interval(secs => %(lease_seconds)s)
      FROM lost WHERE run.id = lost.id
    RETURNING run.*
)
SELECT taken.id, taken.session_id, taken.attempt, taken.model, taken.asked_id, taken.message_id, coalesce(message.content, '') AS text,
       taken.user_id, "user".email, "user".created_at AS user_created_at
  FROM taken LEFT JOIN message ON message.id = taken.asked_id JOIN "user" ON "user".id = taken.user_id
"""

_RELEASE: Final = f"""
UPDATE run SET lease_expires_at = now() - interval '1 second' WHERE id = %(run_id)s AND attempt = %(attempt)s AND {LIVE_SQL}
"""

_REQUEST_STOP: Final = f"""
WITH asked AS (UPDATE run SET stop_requested = true WHERE id = %(run_id)s AND {LIVE_SQL} RETURNING id)
SELECT pg_notify('{STOPS}', id::text) FROM asked
"""
_STOPS_REQUESTED: Final = f"SELECT id FROM run WHERE owner = %(owner)s AND stop_requested AND {LIVE_SQL}"


class RunTable:
    """The runs one process owns; `owner` is its name in their leases."""

    def __init__(self, pool: Pool, *, owner: UUID, lease_seconds: float) -> None:
        self._pool = pool
        self._lease: Mapping[str, object] = {"owner": owner, "lease_seconds": lease_seconds}

    async def claim(self, run: NewRun) -> bool:
        """Take the session's turn and write the user's message.

        False when another run has the turn, the idempotency key is taken, or the session is not the user's.
        """
        return bool(await self._rows(_CLAIM, asdict(run)))

    async def read(self, user_id: UUID, run_id: UUID) -> Run | None:
        return await self._run(_READ, {"run_id": run_id, "user_id": user_id})

    async def sent_before(self, user_id: UUID, key: str) -> Run | None:
        """The run that this user's idempotency key started."""
        return await self._run(_SENT_BEFORE, {"user_id": user_id, "key": key})

    async def live_run(self, session_id: UUID) -> UUID | None:
        rows = await self._rows(_LIVE_RUN, {"session_id": session_id})
        return rows[0]["id"] if rows else None

    async def finish(self, run: FinishedRun) -> bool:
        """End the run and write the answer; False, and nothing written, when this attempt no longer holds it."""
        columns = {name: value for name, value in asdict(run).items() if name != "events"} | {
            "tool_calls": Jsonb([*run.tool_calls]),
            "first_sequence": run.events[0].sequence,
            "last_sequence": run.events[-1].sequence,
            "lines": as_lines(run.events),
        }
        return bool(await self._rows(_FINISH, columns))

    async def renew_leases(self, run_ids: Sequence[UUID]) -> None:
        """Keep these runs; one of ours that is not named is left to expire."""
        await self._execute(_RENEW, {"run_ids": [*run_ids]})

    async def take_lost(self, most: int) -> Sequence[TakenRun]:
        """Take over runs whose process has not been heard of for its lease: this process is their next attempt."""
        return [_taken(row) for row in await self._rows(_TAKE_LOST, {"most": most})]

    async def release(self, run_id: UUID, attempt: int) -> None:
        """Let whoever looks next take the run over at once."""
        await self._execute(_RELEASE, {"run_id": run_id, "attempt": attempt})

    async def request_stop(self, run_id: UUID) -> None:
        """Tell the run's process, wherever it is, to stop it; nothing happens to one that has ended."""
        await self._execute(_REQUEST_STOP, {"run_id": run_id})

    async def stops_requested(self) -> Sequence[UUID]:
        """The runs of this process that somebody wants stopped."""
        return [row["id"] for row in await self._rows(_STOPS_REQUESTED, {})]

    async def _run(self, statement: str, values: Mapping[str, object]) -> Run | None:
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Run)) as cursor:
                await cursor.execute(statement, values)
                return await cursor.fetchone()

    async def _rows(self, statement: str, values: Mapping[str, object]) -> Sequence[dict[str, Any]]:
        with database_errors():
            async with self._pool.connection() as connection:
                return await (await connection.execute(statement, {**self._lease, **values})).fetchall()

    async def _execute(self, statement: str, values: Mapping[str, object]) -> None:
        with database_errors():
            async with self._pool.connection() as connection:
                await connection.execute(statement, {**self._lease, **values})


def _taken(row: Mapping[str, Any]) -> TakenRun:
    user = User(id=row["user_id"], email=row["email"], created_at=row["user_created_at"])
    names = ("id", "session_id", "attempt", "model", "asked_id", "message_id", "text")
    return TakenRun(user=user, **{name: row[name] for name in names})
