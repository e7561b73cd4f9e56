"""The runs that wrote a session's checkpoints: who wants to run on from one must know what turn of the conversation it is in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.persistence.attached import attachments_of, attachments_sql
from app.persistence.database import Pool, fetch_all
from app.persistence.states import LIVE_SQL
from app.persistence.values import Attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAt:
    """The turn that a run is part of: the run before it, and what the user said in it; the run `ended_at` a checkpoint, if it has ended."""

    parent_id: UUID | None
    text: str
    attachments: Sequence[Attachment]
    ended_at: str | None


# What was undone has no message.
_TOLD: Final = f"""
SELECT id, CASE WHEN NOT {LIVE_SQL} THEN checkpoint END AS ended_at FROM run
 WHERE session_id = %(session_id)s AND id = ANY(%(run_ids)s)
   AND ({LIVE_SQL} OR EXISTS (SELECT FROM message WHERE message.run_id = run.id))
"""
_TURN_AT: Final = f"""
WITH RECURSIVE turn AS (
    SELECT run.id, run.parent_id, run.asked_id, CASE WHEN NOT {LIVE_SQL} THEN checkpoint END AS ended_at
      FROM run WHERE id = %(run_id)s AND session_id = %(session_id)s
    UNION ALL
    SELECT run.id, run.parent_id, run.asked_id, turn.ended_at FROM run JOIN turn ON run.id = turn.parent_id WHERE turn.asked_id IS NULL
)
SELECT turn.parent_id, turn.ended_at, message.content AS text, {attachments_sql("message.id")} AS attachments
  FROM turn JOIN message ON message.id = turn.asked_id
"""


class HistoryTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def told(self, session_id: UUID, run_ids: Sequence[UUID]) -> dict[UUID, str | None]:
        """Those of the runs whose turns were not undone, with the checkpoint that each ended at."""
        rows = await fetch_all(self._pool, _TOLD, {"session_id": session_id, "run_ids": [*run_ids]})
        return {row["id"]: row["ended_at"] for row in rows}

    async def turn_at(self, session_id: UUID, run_id: UUID) -> TurnAt | None:
        """The turn that this run is part of; None when it was undone."""
        rows = await fetch_all(self._pool, _TURN_AT, {"session_id": session_id, "run_id": run_id})
        return next((TurnAt(**{**row, "attachments": attachments_of(row["attachments"])}) for row in rows), None)
