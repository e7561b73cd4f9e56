"""Which calls of tools that must not be repeated have been begun."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from app.errors import RunLost
from app.persistence.database import Pool, fetch_all, patiently
from app.persistence.states import LIVE_SQL

_BEGIN: Final = f"""
WITH held AS (
    SELECT id FROM run WHERE id = %(run_id)s AND attempt = %(attempt)s AND {LIVE_SQL} FOR SHARE
), begun AS (
    INSERT INTO tool_start (run_id, task_id, started_at) SELECT id, %(task_id)s, now() FROM held ON CONFLICT DO NOTHING RETURNING run_id
)
SELECT EXISTS (SELECT FROM begun) AS is_first FROM held
"""


class ToolStarts:
    """Those of one attempt at a run."""

    def __init__(
        self, pool: Pool, run_id: UUID, attempt: int, patience_seconds: float = 0, keep: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """A database that is away is waited for, so long.

        `keep` writes the checkpoint from which a call gets its name, which a later attempt must find.
        """
        self._pool = pool
        self._keep = keep
        self._patience_seconds = patience_seconds
        self._holder = {"run_id": run_id, "attempt": attempt}

    async def begin(self, task_id: str) -> bool:
        """Write down that the call is about to be made; False when an attempt before this one has come so far.

        Raise RunLost, and write nothing, once the attempt no longer holds the run.
        """
        if self._keep:
            await self._keep()
        values = {**self._holder, "task_id": task_id}
        rows = await patiently(self._patience_seconds, lambda: fetch_all(self._pool, _BEGIN, values))
        if not rows:
            raise RunLost
        return bool(rows[0]["is_first"])
