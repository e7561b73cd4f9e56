"""What is still to be remembered, and what was: which turns no job has read yet, and the facts that come of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from app.persistence.database import Pool, database_errors, execute, fetch_all
from app.persistence.jobs import defer_sql, job_sql
from app.persistence.memory_search import OF_EMBEDDER_SQL, vector_text
from app.persistence.states import LIVE_SQL

_MOST_TURNS: Final = 20
_MOST_SESSIONS: Final = 100
_LONGEST_DELAYS: Final = 10
_PAUSE_MINUTES: Final = 10

_REMEMBERS_SQL: Final = '"user".remembers AND session.remembers AND NOT session.temporary'
_KEY_SQL: Final = "'remember ' || session.id"
_DUE_SQL: Final = f"""
unremembered_since IS NOT NULL AND NOT EXISTS (SELECT FROM run WHERE run.session_id = session.id AND {LIVE_SQL})
   AND (session.updated_at <= now() - make_interval(secs => %(delay_seconds)s)
        OR unremembered_since <= now() - make_interval(secs => {_LONGEST_DELAYS} * %(delay_seconds)s))
"""
# Two that look at once would each put a job there, of which the queue would refuse the second with an error.
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtext('milepost remember')) AS alone"
_QUEUE: Final = f"""
WITH due AS (
    SELECT session.id, {job_sql("remember", "session_id", "session.id", lock=_KEY_SQL)} AS job
      FROM session JOIN "user" ON "user".id = session.user_id
     WHERE {_DUE_SQL} AND {_REMEMBERS_SQL} AND NOT EXISTS (
           -- After the queue's last try there is a longer pause, and then all of them again.
           SELECT FROM procrastinate_jobs AS job WHERE job.lock = {_KEY_SQL}
              AND (job.status IN ('todo', 'doing') OR job.status = 'failed' AND job.scheduled_at > now() - interval '{_PAUSE_MINUTES} min'))
     ORDER BY unremembered_since LIMIT {_MOST_SESSIONS}
)
SELECT {defer_sql("ARRAY(SELECT job FROM due)")} WHERE EXISTS (SELECT FROM due)
"""
# Of a server that remembers nothing: it shall not begin with all that was said before, once it does.
_SKIP_ALL: Final = f"""
UPDATE session SET remembered_until = now(), unremembered_since = NULL
 WHERE unremembered_since IS NOT NULL AND NOT EXISTS (SELECT FROM run WHERE run.session_id = session.id AND {LIVE_SQL})
"""
# What is said while nothing is to be remembered is not remembered later either.
_SKIP: Final = f"""
UPDATE session SET remembered_until = now(), unremembered_since = NULL FROM "user"
 WHERE "user".id = session.user_id AND NOT ({_REMEMBERS_SQL}) AND {_DUE_SQL}
"""

# Where there is nothing to read, what failed or was cleared counts as read up to a moment ago: a run that ends now may not be seen yet.
_SESSION: Final = f"""
SELECT session.user_id, remembered_until AS since, greatest(remembered_until, now() - interval '10 s') AS until
  FROM session JOIN "user" ON "user".id = session.user_id
 WHERE session.id = %(session_id)s AND {_REMEMBERS_SQL}
"""
# A run's end is its place in time: a session has one run at a time, whoever made them and whatever their clocks said.
_ENDED_SQL: Final = "run.status IN ('completed', 'interrupted') AND run.finished_at > coalesce({since}, '-infinity')"
_SAID: Final = f"""
WITH turn AS (
    SELECT id, finished_at FROM run WHERE session_id = %(session_id)s AND {_ENDED_SQL.format(since="%(since)s::timestamptz")}
     ORDER BY finished_at LIMIT {_MOST_TURNS}
)
SELECT finished_at, role, content FROM turn LEFT JOIN message ON message.run_id = turn.id ORDER BY message.id
"""
_NEAREST: Final = f"""
SELECT id, payload, 1 - (vector <=> %(vector)s::vector) AS likeness FROM memory
 WHERE user_id = %(user_id)s AND closed_at IS NULL AND vector_dims(vector) = %(dimensions)s AND {OF_EMBEDDER_SQL}
 ORDER BY vector <=> %(vector)s::vector, id LIMIT %(limit)s
"""

# Whoever reads the same turns meanwhile, or switches memory off, comes before or after this, and finds or leaves another `since`.
_LOCK: Final = f"""
SELECT FROM session JOIN "user" ON "user".id = session.user_id
 WHERE session.id = %(session_id)s AND remembered_until IS NOT DISTINCT FROM %(since)s AND {_REMEMBERS_SQL}
   FOR NO KEY UPDATE
"""
_ADD: Final = """
INSERT INTO memory (id, vector, payload)
SELECT %(id)s, %(vector)s::vector, %(payload)s::jsonb || jsonb_build_object('user_id', %(user_id)s::uuid)
 WHERE NOT EXISTS (SELECT FROM memory WHERE user_id = %(user_id)s AND closed_at IS NULL AND payload ->> 'data' = %(text)s)
"""
_CLOSE: Final = """
UPDATE memory SET closed_at = now(), replaced_by = %(by)s
 WHERE id = %(id)s AND user_id = %(user_id)s AND closed_at IS NULL AND EXISTS (SELECT FROM memory AS newer WHERE newer.id = %(by)s)
"""
_DONE: Final = f"""
UPDATE session SET remembered_until = %(until)s, unremembered_since = CASE WHEN EXISTS (
           SELECT FROM run WHERE run.session_id = session.id AND ({LIVE_SQL} OR {_ENDED_SQL.format(since="%(until)s::timestamptz")})
       ) THEN unremembered_since END
 WHERE id = %(session_id)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message of a turn; `role` is user or assistant."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unremembered:
    """The turns of a session that ended after `since`, up to the one that ended at `until`."""

    session_id: UUID
    user_id: UUID
    since: datetime | None
    until: datetime
    said: Sequence[Said]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFact:
    """A memory that is open; `likeness` is a cosine."""

    id: UUID
    text: str
    payload: Mapping[str, Any]
    likeness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFact:
    """A memory to be; `payload` is mem0's, with the text as its `data`."""

    vector: Sequence[float]
    payload: Mapping[str, Any]
    id: UUID = field(default_factory=uuid7)

    @property
    def text(self) -> str:
        return str(self.payload["data"])


class RememberingTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def queue_due(self, delay_seconds: float) -> None:
        """Put a job there for each session that has been silent for so long, or talked in for ten times as long, since something new."""
        values = {"delay_seconds": delay_seconds}
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                row = await (await connection.execute(_ALONE)).fetchone()
                if row and row["alone"]:
                    await connection.execute(_QUEUE, values)
                    await connection.execute(_SKIP, values)

    async def skip_all(self) -> None:
        """Count all that was said until now as read."""
        await execute(self._pool, _SKIP_ALL, {})

    async def unremembered(self, session_id: UUID) -> Unremembered | None:
        """The oldest turns that no job has read, twenty at most and perhaps none; None when they are not to be remembered."""
        sessions = await fetch_all(self._pool, _SESSION, {"session_id": session_id})
        if not sessions:
            return None
        rows = await fetch_all(self._pool, _SAID, {"session_id": session_id, "since": sessions[0]["since"]})
        said = [Said(role=row["role"], text=row["content"]) for row in rows if row["role"]]
        until = max((row["finished_at"] for row in rows), default=sessions[0]["until"])
        return Unremembered(session_id=session_id, **{**sessions[0], "until": until}, said=said)

    async def nearest(self, user_id: UUID, embedder: str, vector: Sequence[float], limit: int) -> Sequence[KnownFact]:
        """The user's open memories that are most like this, best first; those with a vector of this embedder's."""
        values = {"user_id": user_id, "embedder": embedder, "vector": vector_text(vector), "dimensions": len(vector), "limit": limit}
        rows = await fetch_all(self._pool, _NEAREST, values)
        return [KnownFact(text=row["payload"]["data"], **row) for row in rows]

    async def keep(self, turns: Unremembered, new: Sequence[NewFact], replaced: Mapping[UUID, UUID]) -> int | None:
        """Write the new facts, close those they replace (old to new), and never read these turns again: all or nothing.

        Return how many were written, for one that is known word for word is not written again; None, and nothing written, when another
        job has read these turns, or they are not to be remembered any more.
        """
        whose = {"session_id": turns.session_id, "user_id": turns.user_id}
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                if await (await connection.execute(_LOCK, {**whose, "since": turns.since})).fetchone() is None:
                    return None
                written = 0
                for fact in new:
                    row = {"id": fact.id, "vector": [*fact.vector], "payload": Jsonb(fact.payload), "text": fact.text}
                    written += (await connection.execute(_ADD, whose | row)).rowcount
                for old, by in replaced.items():
                    await connection.execute(_CLOSE, {**whose, "id": old, "by": by})
                await connection.execute(_DONE, {**whose, "until": turns.until})
                return written
