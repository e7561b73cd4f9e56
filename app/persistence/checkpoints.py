"""Old checkpoints: each holds a conversation as it was once, and few of them are ever looked at again."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app import signals
from app.persistence.database import Pool, database_errors, fetch_all
from app.persistence.states import LIVE_SQL

_MOST_DROPPED: Final = 500

_IDLE_SQL: Final = f"NOT EXISTS (SELECT FROM run WHERE run.session_id = session.id AND {LIVE_SQL})"
_PRUNABLE: Final = f"SELECT id FROM session WHERE prunable AND {_IDLE_SQL} AND id > %(after)s ORDER BY id LIMIT %(limit)s"
# A message that arrives now is claimed before we look, or after we are done: both write the session's row.
_LOCK: Final = "SELECT FROM session WHERE id = %(session_id)s AND prunable FOR UPDATE SKIP LOCKED"
# All in one snapshot: what a run writes that begins meanwhile is not in it, and so is neither counted nor deleted. What is kept:
# the latest, what the latest turns began and ended at, the end of each branch, and what a question waits at. A turn that was undone
# has no message. Checkpoints of subgraphs, which have a namespace, go with the one they began at.
_PRUNE: Final = f"""
WITH idle AS (
    SELECT id, id::text AS thread_id, head_run_id FROM session WHERE id = %(session_id)s AND {_IDLE_SQL}
), latest AS (
    SELECT checkpoint, from_checkpoint FROM run WHERE session_id = (SELECT id FROM idle) ORDER BY id DESC LIMIT %(kept)s
), needed AS (
    SELECT checkpoint AS id FROM latest
    UNION SELECT from_checkpoint FROM latest
    UNION SELECT run.checkpoint FROM run JOIN idle ON run.id = idle.head_run_id
    UNION SELECT run.checkpoint FROM run JOIN idle ON run.session_id = idle.id
     WHERE EXISTS (SELECT FROM message WHERE message.run_id = run.id)
       AND NOT EXISTS (SELECT FROM run AS next JOIN message ON message.run_id = next.id WHERE next.parent_id = run.id)
    UNION SELECT run.checkpoint FROM run JOIN interrupt ON interrupt.run_id = run.id JOIN idle ON idle.id = interrupt.session_id
     WHERE interrupt.outcome = 'open'
    UNION (SELECT checkpoint_id FROM checkpoints WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns = ''
            ORDER BY checkpoint_id DESC LIMIT %(kept)s)
), old AS (
    SELECT checkpoint_id FROM checkpoints WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns = ''
       AND NOT EXISTS (SELECT FROM needed WHERE needed.id = checkpoint_id) ORDER BY checkpoint_id LIMIT {_MOST_DROPPED}
), remaining AS (
    SELECT checkpoint_id, checkpoint -> 'channel_versions' AS versions FROM checkpoints
     WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns = '' AND checkpoint_id NOT IN (SELECT checkpoint_id FROM old)
), used AS (
    SELECT DISTINCT version.key AS channel, version.value AS version FROM remaining, jsonb_each_text(versions) AS version
), dropped AS (
    DELETE FROM checkpoints WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns = ''
       AND checkpoint_id IN (SELECT checkpoint_id FROM old)
), unwritten AS (
    DELETE FROM checkpoint_writes WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns = ''
       AND checkpoint_id NOT IN (SELECT checkpoint_id FROM remaining)
), unused AS (
    DELETE FROM checkpoint_blobs AS blob WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns = ''
       AND NOT EXISTS (SELECT FROM used WHERE used.channel = blob.channel AND used.version = blob.version)
), beneath AS (
    SELECT checkpoint_ns, coalesce(bool_or(metadata -> 'parents' ->> '' IN (SELECT checkpoint_id FROM remaining)), false) AS stays
      FROM checkpoints WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns <> '' GROUP BY checkpoint_ns
), dropped_beneath AS (
    DELETE FROM checkpoints WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns <> ''
       AND NOT EXISTS (SELECT FROM beneath WHERE stays AND beneath.checkpoint_ns = checkpoints.checkpoint_ns)
), unwritten_beneath AS (
    DELETE FROM checkpoint_writes AS one WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns <> ''
       AND NOT EXISTS (SELECT FROM beneath WHERE stays AND beneath.checkpoint_ns = one.checkpoint_ns)
), unused_beneath AS (
    DELETE FROM checkpoint_blobs AS one WHERE thread_id = (SELECT thread_id FROM idle) AND checkpoint_ns <> ''
       AND NOT EXISTS (SELECT FROM beneath WHERE stays AND beneath.checkpoint_ns = one.checkpoint_ns)
)
UPDATE session SET prunable = (SELECT count(*) FROM old) = {_MOST_DROPPED} FROM idle WHERE session.id = idle.id
RETURNING (SELECT count(*) FROM old) AS dropped
"""


class CheckpointTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def prunable(self, after: UUID, limit: int) -> Sequence[UUID]:
        """Sessions that may have checkpoints to prune, are not answering, and come after this one in the order of their ids."""
        return [row["id"] for row in await fetch_all(self._pool, _PRUNABLE, {"after": after, "limit": limit})]

    async def prune(self, session_id: UUID, kept: int) -> int:
        """Delete checkpoints of the session that nobody needs, with what belongs to them; return how many, a few hundred at most.

        Those of the last `kept` turns stay, so that these can be said again, and so do the ends of all branches.
        """
        values = {"session_id": session_id, "kept": kept}
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                if await (await connection.execute(_LOCK, values)).fetchone() is None:
                    return 0
                row = await (await connection.execute(_PRUNE, values)).fetchone()
        dropped = int(row["dropped"]) if row else 0
        if dropped:
            signals.checkpoints_pruned(dropped)
        return dropped
