"""The event log in Postgres: written in batches under each run's attempt, read from any place in it."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from app.persistence.channels import EVENTS
from app.persistence.database import Pool, execute, fetch_all
from app.persistence.states import LIVE_SQL
from app.persistence.values import Entry, EventBatch

# One statement for every run of a process. Its share locks make a takeover wait for it, or it for the takeover: an attempt that has
# lost its run writes nothing. A notice names as many runs as fit its 8,000 bytes.
_APPEND: Final = f"""
WITH batch AS (
    SELECT * FROM jsonb_to_recordset(%(batches)s::jsonb)
        AS batch (run_id uuid, attempt int, first_sequence bigint, last_sequence bigint, events text)
), held AS (
    SELECT batch.* FROM batch JOIN run ON run.id = batch.run_id AND run.attempt = batch.attempt AND {LIVE_SQL}
     ORDER BY run.id FOR SHARE OF run
), written AS (
    INSERT INTO run_event (run_id, first_sequence, last_sequence, events, created_at)
    SELECT run_id, first_sequence, last_sequence, events, now() FROM held
    -- Written before, if the reply to that was lost.
    ON CONFLICT (run_id, first_sequence) DO UPDATE SET last_sequence = excluded.last_sequence, events = excluded.events
), numbered AS (
    SELECT run_id, attempt, row_number() OVER () / 200 AS notice FROM held
)
SELECT array_agg(run_id) AS run_ids, array_agg(attempt) AS attempts,
       CASE WHEN %(notify)s THEN pg_notify('{EVENTS}', string_agg(run_id::text, ',')) END
  FROM numbered GROUP BY notice
"""

_READ: Final = """
SELECT first_sequence, events FROM run_event WHERE run_id = %(run_id)s AND last_sequence > %(after)s ORDER BY first_sequence LIMIT %(rows)s
"""
_FORGET: Final = f"""
DELETE FROM run_event WHERE created_at < now() - make_interval(secs => %(seconds)s)
   AND NOT EXISTS (SELECT FROM run WHERE run.id = run_event.run_id AND {LIVE_SQL})
"""
_IS_THERE: Final = "SELECT FROM run WHERE id = %(run_id)s"
_HAS_EVENTS: Final = "SELECT FROM run_event WHERE run_id = %(run_id)s LIMIT 1"
_IS_LIVE: Final = f"SELECT FROM run WHERE id = %(run_id)s AND {LIVE_SQL}"
_ROWS_AT_ONCE: Final = 100


class EventTable:
    def __init__(self, pool: Pool, tell: Callable[[Sequence[UUID]], None] | None = None) -> None:
        """Other processes are told through `tell` which runs something is written of, and through Postgres if that is None."""
        self._pool = pool
        self._tell = tell

    async def append(self, batches: Sequence[EventBatch]) -> set[tuple[UUID, int]]:
        """Write them all at once; return the runs and attempts that still held, for of others nothing is written."""
        # As JSON, for a list for each column takes psycopg much longer.
        values = orjson.dumps([_row(batch) for batch in batches]).decode()
        rows = await fetch_all(self._pool, _APPEND, {"batches": values, "notify": self._tell is None})
        if self._tell:
            self._tell([run_id for row in rows for run_id in row["run_ids"]])
        return {held for row in rows for held in zip(row["run_ids"], row["attempts"], strict=True)}

    async def read(self, run_id: UUID, after: int) -> Sequence[Entry]:
        """Some of what follows the sequence number `after`, in order; empty when nothing does yet."""
        rows = await fetch_all(self._pool, _READ, {"run_id": run_id, "after": after, "rows": _ROWS_AT_ONCE})
        return [entry for row in rows for entry in _entries(row["first_sequence"], row["events"]) if entry.sequence > after]

    async def has_ended(self, run_id: UUID) -> bool:
        """Whether the run's log has all it will ever have; so for one that is gone."""
        return not await fetch_all(self._pool, _IS_LIVE, {"run_id": run_id})

    async def is_kept(self, run_id: UUID) -> bool:
        """Whether anything of the run's log is still there."""
        return bool(await fetch_all(self._pool, _HAS_EVENTS, {"run_id": run_id}))

    async def is_gone(self, run_id: UUID) -> bool:
        """Whether the run itself is deleted."""
        return not await fetch_all(self._pool, _IS_THERE, {"run_id": run_id})

    async def forget(self, older_than_seconds: float) -> int:
        """Delete the events of ended runs from before that; return how many rows there were."""
        return await execute(self._pool, _FORGET, {"seconds": older_than_seconds})


def as_lines(entries: Sequence[Entry]) -> str:
    """A line each; JSON has no line break of its own."""
    return "\n".join([f"{entry.type} {entry.payload.decode()}" for entry in entries])


def _row(batch: EventBatch) -> dict[str, Any]:
    return {
        "run_id": batch.run_id,
        "attempt": batch.attempt,
        "first_sequence": batch.entries[0].sequence,
        "last_sequence": batch.entries[-1].sequence,
        "events": as_lines(batch.entries),
    }


def _entries(first: int, lines: str) -> Sequence[Entry]:
    parts = (line.partition(" ") for line in lines.split("\n"))
    return [Entry(first + place, kind, payload.encode()) for place, (kind, _, payload) in enumerate(parts)]
