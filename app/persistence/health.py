"""Whether the database answers, and whether its schema is the one this code was written for."""

from typing import Final

import psycopg.errors

from app.persistence.database import Pool, database_errors
from app.persistence.migrate import head

_REVISION: Final = "SELECT version_num FROM alembic_version"


class DatabaseHealth:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._needed = head()

    async def drift(self) -> str | None:
        """Say how the schema differs from what this server needs, None when it does not; raise DatabaseUnavailable."""
        found = await self._revision()
        return None if found == self._needed else f"The schema is at {found or 'no revision'}; this server needs {self._needed}."

    async def _revision(self) -> str | None:
        with database_errors():
            async with self._pool.connection() as connection:
                try:
                    row = await (await connection.execute(_REVISION)).fetchone()
                except psycopg.errors.UndefinedTable:
                    return None
        return str(row["version_num"]) if row else None
