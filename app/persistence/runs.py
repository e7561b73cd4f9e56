"""Runs in plain SQL: one statement starts a run, one ends it, and each write carries the attempt that makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from app.persistence.database import Pool, database_errors
from app.persistence.tables import LIVE_SQL
from app.persistence.values import FinishedRun, NewRun, RunStatus

# The turn lock is the unique index over live runs: a second claim inserts nothing, and so writes no message either.
_CLAIM: Final = f"""
WITH claimed AS (
    INSERT INTO run (id, session_id, user_id, status, attempt, model, owner, lease_expires_at, input_tokens, output_tokens, created_at)
    SELECT %(id)s, session.id, session.user_id, 'running', 1, %(model)s, %(owner)s,
           now() + make_interval(secs => %(lease_seconds)s), 0, 0, now()
      FROM session WHERE session.id = %(session_id)s AND session.user_id = %(user_id)s
    ON CONFLICT (session_id) WHERE {LIVE_SQL} DO NOTHING
    RETURNING id, session_id
), said AS (
    INSERT INTO message (id, session_id, run_id, role, content, reasoning, tool_calls, status, created_at)
    SELECT %(message_id)s, session_id, id, 'user', %(text)s, '', '[]', 'completed', now() FROM claimed
), touched AS (
    UPDATE session SET updated_at = now(), name = CASE WHEN name = '' THEN %(title)s ELSE name END
      FROM claimed WHERE session.id = claimed.session_id
)
SELECT id FROM claimed
"""

_LIVE_RUN: Final = f"SELECT id FROM run WHERE session_id = %(session_id)s AND {LIVE_SQL}"

_FINISH: Final = f"""
WITH finished AS (
    UPDATE run SET status = %(status)s, error_code = %(error_code)s, finished_at = now(), lease_expires_at = NULL,
           input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s
     WHERE id = %(id)s AND attempt = %(attempt)s AND {LIVE_SQL}
    RETURNING id, session_id
), answered AS (
    INSERT INTO message (id, session_id, run_id, role, content, reasoning, tool_calls, status, created_at)
    SELECT %(message_id)s, session_id, id, 'assistant', %(content)s, %(reasoning)s, %(tool_calls)s, %(status)s, now() FROM finished
)
SELECT id FROM finished
"""

_RENEW: Final = f"UPDATE run SET lease_expires_at = now() + make_interval(secs => %(lease_seconds)s) WHERE owner = %(owner)s AND {LIVE_SQL}"

_EXPIRED: Final = f"SELECT id, attempt FROM run WHERE {LIVE_SQL} AND lease_expires_at < now()"


class RunTable:
    """The runs one process owns; `owner` is its name in their leases."""

    def __init__(self, pool: Pool, *, owner: UUID, lease_seconds: float) -> None:
        self._pool = pool
        self._lease: Mapping[str, object] = {"owner": owner, "lease_seconds": lease_seconds}

    async def claim(self, run: NewRun) -> bool:
        """Take the session's turn and write the user's message; False when another run has it or the session is gone."""
        return bool(await self._rows(_CLAIM, asdict(run)))

    async def live_run(self, session_id: UUID) -> UUID | None:
        rows = await self._rows(_LIVE_RUN, {"session_id": session_id})
        return rows[0]["id"] if rows else None

    async def finish(self, run: FinishedRun) -> bool:
        """End the run and write the answer; False, and nothing written, when this attempt no longer holds it."""
        return bool(await self._rows(_FINISH, asdict(run) | {"tool_calls": Jsonb([*run.tool_calls])}))

    async def renew_leases(self) -> None:
        with database_errors():
            async with self._pool.connection() as connection:
                await connection.execute(_RENEW, self._lease)

    async def fail_lost_runs(self, error_code: str) -> int:
        """End every run whose process has not been heard of for its lease; return how many there were."""
        lost = await self._rows(_EXPIRED, {})
        ended = [
            await self.finish(
                FinishedRun(id=row["id"], attempt=row["attempt"], message_id=uuid7(), status=RunStatus.FAILED, error_code=error_code)
            )
            for row in lost
        ]
        return sum(ended)

    async def _rows(self, statement: str, values: Mapping[str, object]) -> Sequence[dict[str, Any]]:
        with database_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(statement, {**self._lease, **values})
                return await cursor.fetchall()
