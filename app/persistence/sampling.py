"""What all servers have before them, read from the tables a few times a minute by every process that works."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from app import signals
from app.errors import AppError, DatabaseUnavailable
from app.persistence.database import Pool, fetch_all, is_of_schema
from app.persistence.done import BACKUP
from app.persistence.health import DatabaseHealth
from app.persistence.jobs import QUEUE
from app.persistence.states import TURN_SQL
from app.signals.sample import Sample, TableSize, Waiting, Work

# Those that grow with what people do, and two of the queue's.
TABLES: Final = (
    *("attachment_blob", "audit", "checkpoint_blobs", "checkpoint_writes", "checkpoints", "interrupt", "login", "login_failure"),
    *("memory", "message", "model_call", "procrastinate_events", "procrastinate_jobs", "run", "run_event", "session", "user"),
    "webhook_delivery",
)

# Each reads an index of what is open, and so nothing of what is over. A run with a lease that holds is being made, or its process is about
# to begin it; one that waits for the turn of its session waits for no server. Of one that a worker is to make, the time until its turn came
# counts too, for nobody has written down when that was. A job has no moment of its own until it is tried again: the queue's events have it,
# and of those that came without one the first has waited longest.
_WORK: Final = f"""
WITH pending AS (
    SELECT count(*) AS count, max(now() - coalesce(lease_expires_at, created_at)) AS oldest
      FROM run WHERE {TURN_SQL} AND coalesce(lease_expires_at, '-infinity') <= now()
), asked AS (
    SELECT count(*) AS count, max(now() - created_at) AS oldest FROM interrupt WHERE outcome = 'open'
), unread AS (
    SELECT count(*) AS count FROM session WHERE unremembered_since IS NOT NULL
), due AS (
    SELECT count(*) AS count, min(scheduled_at) AS since, min(id) FILTER (WHERE scheduled_at IS NULL) AS first
      FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = '{QUEUE}' AND coalesce(scheduled_at, '-infinity') <= now()
), job AS (
    SELECT count, now() - least(since, (SELECT min(at) FROM procrastinate_events WHERE job_id = due.first)) AS oldest FROM due
)
SELECT pending.count AS runs, extract(epoch FROM pending.oldest)::float AS runs_seconds,
       asked.count AS questions, extract(epoch FROM asked.oldest)::float AS questions_seconds,
       job.count AS jobs, extract(epoch FROM job.oldest)::float AS jobs_seconds, unread.count AS unread,
       (SELECT jsonb_object_agg(name, extract(epoch FROM done_at)) FROM chore_done) AS done
  FROM pending, asked, unread, job
"""
# The statistics count as it goes and are empty after a crash; what the last vacuum wrote is old, and survives.
_TABLES: Final = """
SELECT name, greatest(n_live_tup, reltuples, 0)::float AS rows, pg_total_relation_size(pg_class.oid)::float AS bytes
  FROM unnest(%(tables)s::text[]) AS name JOIN pg_class ON pg_class.oid = to_regclass(quote_ident(name))
       LEFT JOIN pg_stat_user_tables ON relid = pg_class.oid
"""

log = structlog.get_logger()


class Sampling:
    def __init__(self, pool: Pool, health: DatabaseHealth, chores: Sequence[str] = ()) -> None:
        """`chores` are told of before they were ever done, too; what an earlier version did, and nobody does now, is told no more."""
        self.health = health
        self._pool = pool
        self._chores = chores
        self._is_away = False

    async def keep_sampling(self, seconds: float) -> None:
        """Tell a sample every so many seconds, and None while there is none; a database that is away is logged once."""
        while True:
            try:
                signals.database_sampled(await self.sample())
            except AppError as error:
                signals.database_sampled(None)
                if not self._is_away:
                    log.warning("not_sampled", error=error.code)
                self._is_away = True
            else:
                self._is_away = False
            await asyncio.sleep(seconds)

    async def sample(self) -> Sample:
        """Raise DatabaseUnavailable or DatabaseRefused."""
        found, needed = await self.health.revision(), self.health.needed
        tables = await fetch_all(self._pool, _TABLES, {"tables": [*TABLES]})
        sizes = {row["name"]: TableSize(rows=row["rows"], bytes=row["bytes"]) for row in tables}
        return Sample(schema_found=found or "", schema_needed=needed, work=await self._work(), tables=sizes)

    async def _work(self) -> Work | None:
        try:
            [row] = await fetch_all(self._pool, _WORK, {})
        except DatabaseUnavailable as error:
            if is_of_schema(error):  # which the sample says, and somebody has to know
                return None
            raise
        done = row["done"] or {}
        return Work(
            runs=_waiting(row, "runs"),
            questions=_waiting(row, "questions"),
            jobs=_waiting(row, "jobs"),
            unread=row["unread"],
            backup=done.get(BACKUP, 0.0),
            done={chore: done.get(chore, 0.0) for chore in self._chores},
        )


def _waiting(row: Mapping[str, Any], what: str) -> Waiting:
    return Waiting(count=row[what], oldest_seconds=max(row[f"{what}_seconds"] or 0.0, 0.0))
