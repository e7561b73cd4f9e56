"""The questions that the agent asks people."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from app.persistence.database import Pool, database_errors, execute, fetch_all
from app.persistence.states import LIVE_SQL
from app.persistence.values import Interrupt

# Those of the run that is shown last: what was asked in another branch waits until somebody switches to it.
_OPEN: Final = """
SELECT interrupt.id, interrupt.run_id, interrupt.value, interrupt.answer_schema AS schema, interrupt.created_at, interrupt.expires_at
  FROM interrupt JOIN session ON session.id = interrupt.session_id AND session.head_run_id = interrupt.run_id
 WHERE session.id = %(session_id)s AND outcome = 'open' ORDER BY interrupt.created_at, interrupt.id
"""
# Of what nobody is shown any more there is nobody to tell.
_EXPIRE_UNSEEN: Final = """
UPDATE interrupt SET outcome = 'expired', closed_at = now()
  FROM session WHERE outcome = 'open' AND expires_at < now() AND session.id = interrupt.session_id
   AND session.head_run_id IS DISTINCT FROM interrupt.run_id
"""
_EXPIRED: Final = f"""
SELECT DISTINCT session.id, session.user_id FROM interrupt JOIN session ON session.id = interrupt.session_id
 WHERE outcome = 'open' AND expires_at < now() AND session.head_run_id = interrupt.run_id
   AND NOT EXISTS (SELECT FROM run WHERE run.session_id = session.id AND {LIVE_SQL})
 LIMIT 100
"""


class InterruptTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, session_id: UUID) -> Sequence[Interrupt]:
        """What the session asks and can be answered, the oldest first; some may be past their time."""
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Interrupt)) as cursor:
                await cursor.execute(_OPEN, {"session_id": session_id})
                return await cursor.fetchall()

    async def expired(self) -> Sequence[tuple[UUID, UUID]]:
        """Sessions, each with its user, that ask what nobody has answered in time."""
        await execute(self._pool, _EXPIRE_UNSEEN, {})
        return [(row["id"], row["user_id"]) for row in await fetch_all(self._pool, _EXPIRED, {})]
