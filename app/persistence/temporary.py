"""Sessions of which nothing is kept after their end: where nothing has been said for a time, this is it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.persistence.database import Database, fetch_all, transaction
from app.persistence.deleting import delete_session, lock_session
from app.persistence.states import LIVE_SQL

_IS_OVER: Final = f"""
temporary AND updated_at < now() - make_interval(secs => {{seconds}})
AND NOT EXISTS (SELECT FROM run WHERE run.session_id = session.id AND {LIVE_SQL})
"""
_OVER: Final = f"""
SELECT id FROM session WHERE {_IS_OVER.format(seconds="%(seconds)s")} AND id > %(after)s ORDER BY id LIMIT %(limit)s
"""
_STILL_OVER: Final = f"SELECT 1 FROM session WHERE id = %(session_id)s AND {_IS_OVER.format(seconds='%(seconds)s')}"


class TemporarySessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def over(self, silent_seconds: float, *, after: UUID, limit: int) -> Sequence[UUID]:
        """Those in which nothing was said for so long, that are not answering, and come after this one in the order of their ids."""
        values = {"seconds": silent_seconds, "after": after, "limit": limit}
        return [row["id"] for row in await fetch_all(self._database.pool, _OVER, values)]

    async def delete(self, session_id: UUID, silent_seconds: float) -> bool:
        """Delete one as its user would, unless something is said in it at this very moment; whether it was deleted."""
        async with transaction(self._database.pool) as connection:
            await lock_session(connection, session_id)
            still = await connection.execute(_STILL_OVER, {"session_id": session_id, "seconds": silent_seconds})
            if await still.fetchone() is None:
                return False
            await delete_session(connection, session_id)
            return True
