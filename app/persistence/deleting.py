"""Delete a session, or what was said in it, on a connection that is in a transaction."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from app.persistence.channels import EVENTS
from app.persistence.states import LIVE_SQL

type Connection = psycopg.AsyncConnection[DictRow]

_LOCK_RUNS: Final = "SELECT id FROM run WHERE session_id = %(session_id)s ORDER BY id FOR UPDATE"
_LOCK: Final = "SELECT id FROM session WHERE id = %(session_id)s FOR UPDATE"
# The end comes after whatever the attempt may have told its readers and not written yet: an attempt has a million numbers.
_END_LIVE: Final = f"""
WITH ended AS (
    UPDATE run SET status = 'cancelled', waiting = false, error_code = 'run_cancelled', finished_at = now(), lease_expires_at = NULL
     WHERE session_id = %(session_id)s AND {LIVE_SQL} RETURNING id, attempt * CAST(1000000 AS bigint) AS last, message_id
), logged AS (
    INSERT INTO run_event (run_id, first_sequence, last_sequence, events, created_at)
    SELECT id, last, last, 'end ' || json_build_object('status', 'cancelled', 'message_id', message_id, 'content', '', 'done', true), now()
      FROM ended
)
SELECT pg_notify('{EVENTS}', CAST(id AS text)) FROM ended
"""
# Held: another session's message that is to have one comes before what follows, or finds it gone.
_LOCK_SENT: Final = """
SELECT id FROM attachment WHERE id IN (
    SELECT attachment_id FROM message_attachment JOIN message ON message.id = message_id WHERE session_id = %(session_id)s
) ORDER BY id FOR UPDATE
"""
# Those that no message has any more; a worker drops their content.
_FORGET_SENT: Final = """
DELETE FROM attachment WHERE id = ANY(%(sent)s) AND NOT EXISTS (SELECT FROM message_attachment WHERE attachment_id = attachment.id)
"""
_DELETE: Final = "DELETE FROM session WHERE id = %(session_id)s"
_EMPTY: Final = (
    "DELETE FROM message WHERE session_id = %(session_id)s",
    "DELETE FROM interrupt WHERE session_id = %(session_id)s",
    "UPDATE session SET head_run_id = NULL WHERE id = %(session_id)s",
)
_DELETE_CHECKPOINTS: Final = tuple(
    f"DELETE FROM {table} WHERE thread_id = %(thread_id)s"  # of the names below
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
)


async def lock_session(connection: Connection, session_id: UUID) -> None:
    """Runs first, as a run's end does it, or the two would wait for each other.

    A message that arrives now is claimed before what follows, and goes with it, or after it, and stays.
    """
    for statement in (_LOCK_RUNS, _LOCK):
        await connection.execute(statement, {"session_id": session_id})


async def delete_session(connection: Connection, session_id: UUID) -> None:
    """Delete all there is of a session that is locked."""
    sent = await _lock_sent(connection, session_id)
    await connection.execute(_DELETE, {"session_id": session_id})
    await connection.execute(_FORGET_SENT, sent)
    await _delete_checkpoints(connection, session_id)  # last: without its run nobody writes another


async def empty_session(connection: Connection, session_id: UUID) -> None:
    """End what is live in a session that is locked, and delete the transcript and the checkpoints."""
    await connection.execute(_END_LIVE, {"session_id": session_id})
    await _delete_checkpoints(connection, session_id)
    sent = await _lock_sent(connection, session_id)
    for statement in _EMPTY:
        await connection.execute(statement, {"session_id": session_id})
    await connection.execute(_FORGET_SENT, sent)


async def _lock_sent(connection: Connection, session_id: UUID) -> Mapping[str, list[UUID]]:
    """The attachments of its messages."""
    rows = await connection.execute(_LOCK_SENT, {"session_id": session_id})
    return {"sent": [row["id"] async for row in rows]}


async def _delete_checkpoints(connection: Connection, session_id: UUID) -> None:
    for statement in _DELETE_CHECKPOINTS:
        await connection.execute(statement, {"thread_id": str(session_id)})
