"""Sessions of which nothing is kept after their end: where nothing has been said for a time, this is it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app.persistence.database import Database, database_errors, fetch_all
from app.persistence.sessions import delete_session, lock_session
from app.persistence.tables import LIVE_SQL

_IS_OVER: Final = f"""
temporary AND updated_at < now() - make_interval(secs => {{seconds}})
AND NOT EXISTS (SELECT FROM run WHERE run.session_id = session.id AND {LIVE_SQL})
"""
_OVER: Final = f"""
SELECT id FROM session WHERE {_IS_OVER.format(seconds="%(seconds)s")} AND id > %(after)s ORDER BY id LIMIT %(limit)s
"""
_STILL_OVER: Final = f"SELECT 1 FROM session WHERE id = :session_id AND {_IS_OVER.format(seconds=':seconds')}"


class TemporarySessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def over(self, silent_seconds: float, *, after: UUID, limit: int) -> Sequence[UUID]:
        """Those in which nothing was said for so long, that are not answering, and come after this one in the order of their ids."""
        values = {"seconds": silent_seconds, "after": after, "limit": limit}
        return [row["id"] for row in await fetch_all(self._database.pool, _OVER, values)]

    async def delete(self, session_id: UUID, silent_seconds: float) -> bool:
        """Delete one as its user would, unless something is said in it at this very moment; whether it was deleted."""
        with database_errors():
            async with self._database.query.begin() as query:
                await lock_session(query, session_id)
                still = sa.text(_STILL_OVER).bindparams(session_id=session_id, seconds=silent_seconds)
                if (await (await query.connection()).execute(still)).first() is None:
                    return False
                await delete_session(query, session_id)
                return True
