"""The end of a user, or of old sessions: all there is of them, in every table, in one transaction."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from app.persistence.channels import ERASED, EVENTS, STOPS
from app.persistence.database import Pool, database_errors, patiently
from app.persistence.lifecycle import Receipt, told
from app.persistence.states import LIVE_SQL

USER_ERASED: Final = "user_erased"
_PATIENCE_SECONDS: Final = 10
_LONGEST: Final = "SET LOCAL statement_timeout = '10min'"

# Runs first, then counters, then sessions, as a run's end does it. From the user's lock on nothing new can be written that names the
# user: what was claimed in between is found by what follows, and if its process locks the other way round, one of us is told so and
# tries again.
_LOCK_RUNS: Final = f"SELECT FROM run WHERE user_id = %(user_id)s AND {LIVE_SQL} ORDER BY id FOR UPDATE"
_LOCK_QUOTA: Final = "SELECT FROM quota WHERE user_id = %(user_id)s FOR UPDATE"
_LOCK_SESSIONS: Final = "SELECT FROM session WHERE user_id = %(user_id)s ORDER BY id FOR UPDATE"
_LOCK_USER: Final = 'SELECT FROM "user" WHERE id = %(user_id)s FOR UPDATE'
_FIND: Final = """
SELECT ARRAY(SELECT id FROM session WHERE user_id = %(user_id)s) AS sessions, ARRAY(SELECT id FROM run WHERE user_id = %(user_id)s) AS runs,
       ARRAY(SELECT id FROM message WHERE session_id IN (SELECT id FROM session WHERE user_id = %(user_id)s)) AS messages,
       ARRAY(SELECT id FROM export WHERE user_id = %(user_id)s) AS exports,
       ARRAY(SELECT id FROM webhook_delivery WHERE webhook_id IN (SELECT id FROM webhook WHERE user_id = %(user_id)s)) AS deliveries
"""
# Heard once it is true: the processes that make these runs stop, and those that keep something in their memory forget it.
_TELL: Final = f"""
SELECT pg_notify('{ERASED}', %(user_id)s::text),
       (SELECT count(pg_notify('{STOPS}', id::text)) + count(pg_notify('{EVENTS}', id::text)) FROM run
         WHERE user_id = %(user_id)s AND {LIVE_SQL})
"""

_OF_USER: Final = "DELETE FROM {table} WHERE user_id = %(user_id)s"
_OF_RUNS: Final = "DELETE FROM {table} WHERE run_id = ANY(%(runs)s)"
_OF_SESSIONS: Final = "DELETE FROM {table} WHERE session_id = ANY(%(sessions)s)"
_OF_THREADS: Final = "DELETE FROM {table} WHERE thread_id = ANY(%(sessions)s::text[])"
_CHECKPOINTS: Final = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
# Checkpoints after runs: without its run nobody writes another.
_DELETES: Final[Mapping[str, str]] = {
    "feedback": _OF_USER.format(table="feedback"),
    "judgement": _OF_RUNS.format(table="judgement"),
    "export_chunk": "DELETE FROM export_chunk WHERE export_id = ANY(%(exports)s)",
    "export": _OF_USER.format(table="export"),
    "webhook_delivery": "DELETE FROM webhook_delivery WHERE id = ANY(%(deliveries)s)",
    "webhook": _OF_USER.format(table="webhook"),
    "tool_start": _OF_RUNS.format(table="tool_start"),
    "interrupt": _OF_SESSIONS.format(table="interrupt"),
    "session_config": _OF_SESSIONS.format(table="session_config"),
    "run_event": _OF_RUNS.format(table="run_event"),
    "message_attachment": "DELETE FROM message_attachment WHERE message_id = ANY(%(messages)s)",
    "attachment": _OF_USER.format(table="attachment"),
    "attachment_blob": _OF_USER.format(table="attachment_blob"),
    "message": _OF_SESSIONS.format(table="message"),
    "model_call": _OF_USER.format(table="model_call"),
    "memory": _OF_USER.format(table="memory"),
    "run": _OF_USER.format(table="run"),
    "session": _OF_USER.format(table="session"),
    "api_key": _OF_USER.format(table="api_key"),
    "identity": _OF_USER.format(table="identity"),
    "quota": _OF_USER.format(table="quota"),
    "login": _OF_USER.format(table="login"),
    **{table: _OF_THREADS.format(table=table) for table in _CHECKPOINTS},
}
# Whatever of the user a job names, in whichever argument or lock. A job that is being done keeps its row, or its worker would stumble
# over the end of it: there it loses what it is about.
_JOBS: Final = """
WITH named AS (
    SELECT DISTINCT job.id, job.status FROM procrastinate_jobs AS job,
           regexp_matches(concat_ws(' ', job.args::text, job.lock, job.queueing_lock),
                          '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') AS found (id)
     WHERE found.id[1]::uuid = ANY(%(ids)s)
), deleted AS (
    DELETE FROM procrastinate_jobs USING named WHERE procrastinate_jobs.id = named.id AND named.status <> 'doing'
), emptied AS (
    UPDATE procrastinate_jobs SET args = '{}', lock = NULL, queueing_lock = NULL
      FROM named WHERE procrastinate_jobs.id = named.id AND named.status = 'doing'
)
SELECT count(*) AS found FROM named
"""
_DELETE_USER: Final = 'DELETE FROM "user" WHERE id = %(user_id)s'
_AUDIT: Final = "INSERT INTO audit (id, event, details, created_at) VALUES (%(id)s, %(event)s, %(details)s, %(created_at)s)"
# The log is append-only but for who says this in the same transaction.
_OPEN_AUDIT: Final = "SET LOCAL milepost.audit = 'retention'"
# What was done stays; who it was and where they were goes.
_FORGET_IN_AUDIT: Final = """
UPDATE audit SET address = CASE WHEN actor_id = %(user_id)s OR (user_id = %(user_id)s AND actor_id IS NULL) THEN NULL ELSE address END,
       user_id = nullif(user_id, %(user_id)s), actor_id = nullif(actor_id, %(user_id)s)
 WHERE user_id = %(user_id)s OR actor_id = %(user_id)s
"""

_IS_SILENT: Final = f"""
updated_at < %(silent_since)s AND NOT EXISTS (SELECT FROM run WHERE run.session_id = session.id AND {LIVE_SQL})
"""
# Ids are times: the sessions that are old enough to be looked at are at the beginning of the index.
_OLD_SESSIONS: Final = f"""
SELECT id FROM session WHERE id < %(opened_before)s AND {_IS_SILENT} ORDER BY id LIMIT %(limit)s
"""
# Runs first, as who deletes a session of theirs does it; then those in which nobody talks at this very moment.
_LOCK_OLD_RUNS: Final = "SELECT FROM run WHERE session_id = ANY(%(sessions)s) ORDER BY id FOR UPDATE"
_LOCK_OLD: Final = f"""
SELECT id FROM session WHERE id = ANY(%(sessions)s) AND {_IS_SILENT} ORDER BY id FOR UPDATE SKIP LOCKED
"""
_DELETE_SESSIONS: Final = "DELETE FROM session WHERE id = ANY(%(sessions)s)"
_OLD_AUDIT: Final = """
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < %(written_before)s ORDER BY id LIMIT %(limit)s)
"""

type _Connection = AsyncConnection[DictRow]


class Erasing:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def erase(self, user_id: UUID, elsewhere: Mapping[str, int]) -> Receipt | None:
        """Delete all that the database has of a user, or nothing; None when there is no such user.

        `elsewhere` is what other stores have deleted, for the receipt, which goes into the audit log.
        """
        return await patiently(_PATIENCE_SECONDS, partial(self._erase, user_id, elsewhere))

    async def delete_old_sessions(self, silent_for: timedelta, limit: int) -> int:
        """Delete some sessions in which nothing was said for so long; return how many."""
        silent_since = datetime.now(UTC) - silent_for
        values = {"silent_since": silent_since, "opened_before": _first_id(silent_since), "limit": limit}
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                old = {"silent_since": silent_since, "sessions": await _ids(connection, _OLD_SESSIONS, values)}
                await connection.execute(_LOCK_OLD_RUNS, old)
                held = {"sessions": await _ids(connection, _LOCK_OLD, old)}
                await connection.execute(_DELETE_SESSIONS, held)
                for table in _CHECKPOINTS:
                    await connection.execute(_DELETES[table], held)
        return len(held["sessions"])

    async def delete_old_audit(self, age: timedelta, limit: int) -> int:
        """Delete some entries of the audit log from before that; return how many."""
        values = {"written_before": _first_id(datetime.now(UTC) - age), "limit": limit}
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_OPEN_AUDIT)
                return (await connection.execute(_OLD_AUDIT, values)).rowcount

    async def _erase(self, user_id: UUID, elsewhere: Mapping[str, int]) -> Receipt | None:
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                if (values := await _locked(connection, user_id)) is None:
                    return None
                await connection.execute(_TELL, values)
                counts = {table: (await connection.execute(delete, values)).rowcount for table, delete in _DELETES.items()}
                jobs = await (await connection.execute(_JOBS, values)).fetchone()
                counts |= {"procrastinate_jobs": jobs["found"] if jobs else 0}
                await connection.execute(_OPEN_AUDIT)
                await connection.execute(_FORGET_IN_AUDIT, values)
                counts |= {"user": (await connection.execute(_DELETE_USER, values)).rowcount}
                receipt = receipt_of(user_id, {**counts, **elsewhere})
                await connection.execute(_AUDIT, _audit_row(receipt))
        return receipt


async def _ids(connection: _Connection, statement: str, values: Mapping[str, Any]) -> list[UUID]:
    return [row["id"] for row in await (await connection.execute(statement, values)).fetchall()]


async def _locked(connection: _Connection, user_id: UUID) -> Mapping[str, Any] | None:
    """What the user has, by id, all of it held; None when there is no such user."""
    values = {"user_id": user_id}
    await connection.execute(_LONGEST)
    await connection.execute(_LOCK_RUNS, values)
    await connection.execute(_LOCK_QUOTA, values)
    await connection.execute(_LOCK_SESSIONS, values)
    if await (await connection.execute(_LOCK_USER, values)).fetchone() is None:
        return None
    found = await (await connection.execute(_FIND, values)).fetchone()
    ids: Sequence[UUID] = [user_id, *(one for several in (found or {}).values() for one in several)]
    return {**values, **(found or {}), "ids": ids}


def receipt_of(user_id: UUID, counts: Mapping[str, int]) -> Receipt:
    """SHA-256 over JSON with sorted names and no spaces: who knows the user's id can show that this receipt is theirs, and nobody else."""
    receipt_id, erased_at = uuid7(), datetime.now(UTC)
    hashed = {**told(receipt_id, erased_at, counts), "user_id": str(user_id)}
    digest = sha256(json.dumps(hashed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return Receipt(id=receipt_id, erased_at=erased_at, counts=counts, sha256=digest)


def _audit_row(receipt: Receipt) -> Mapping[str, Any]:
    details = Jsonb({"counts": {**receipt.counts}, "sha256": receipt.sha256})
    return {"id": receipt.id, "event": USER_ERASED, "details": details, "created_at": receipt.erased_at}


def _first_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a millisecond."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
