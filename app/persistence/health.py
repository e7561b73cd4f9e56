"""Whether the database answers, and whether its schema is one this code can work with."""

from typing import Final

import psycopg.errors

from app.persistence.database import Pool, database_errors
from app.persistence.revisions import head, revisions
from app.signals import sampled

_REVISION: Final = "SELECT version_num FROM alembic_version"


class DatabaseHealth:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.needed = head()
        self._older = revisions() - {self.needed}

    async def drift(self) -> str | None:
        """Say how the schema falls short of what this server needs, None when it does not; raise DatabaseUnavailable.

        A revision that this code does not know is a later one: in a rolling deploy the old servers go on under it until they are
        replaced, so a migration leaves what the version before it needs.
        """
        found = await self.revision()
        sampled.schema_seen(found or "", self.needed)
        behind = found is None or found in self._older
        return f"The schema is at {found or 'no revision'}; this server needs {self.needed}." if behind else None

    async def revision(self) -> str | None:
        """The one that the database has, None where it has no schema at all; raise DatabaseUnavailable."""
        with database_errors():
            async with self._pool.connection() as connection:
                try:
                    row = await (await connection.execute(_REVISION)).fetchone()
                except psycopg.errors.UndefinedTable:
                    return None
        return str(row["version_num"]) if row else None
