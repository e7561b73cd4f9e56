"""Exports in Postgres: servers share nothing else, and whichever is asked has to find what another has made."""

from collections.abc import AsyncGenerator
from typing import Final
from uuid import UUID

from psycopg.rows import class_row
from uuid_utils.compat import uuid7

from app.persistence.database import Pool, database_errors, execute, fetch_all
from app.persistence.jobs import defer_sql, job_sql
from app.persistence.lifecycle import Export, ExportAttempt

# A job that failed for good leaves an export that will never be whole.
_STUCK: Final = "created_at < now() - interval '1 hour'"

# One for each user: a new one takes the place of one that is whole, and one that is being made is the one that was asked for.
_ASK: Final = f"""
WITH old AS (
    DELETE FROM export WHERE user_id = %(user_id)s AND (bytes IS NOT NULL OR {_STUCK})
)
SELECT FROM "user" WHERE id = %(user_id)s
"""
_ADD: Final = f"""
WITH added AS (
    INSERT INTO export (id, user_id, attempt, created_at) VALUES (%(id)s, %(user_id)s, 0, now()) ON CONFLICT (user_id) DO NOTHING
    RETURNING id
)
SELECT {defer_sql(f"ARRAY[{job_sql('export_user', 'export_id', 'id')}]")} FROM added
"""
_LATER: Final = f"""
SELECT {defer_sql(f"ARRAY[{job_sql('export_user', 'export_id', 'id', at="now() + interval '3 s'")}]")} FROM export
 WHERE id = %(export_id)s AND bytes IS NULL
"""
_FIND: Final = "SELECT id, bytes, created_at FROM export WHERE user_id = %(user_id)s"
_BEGIN: Final = """
WITH begun AS (
    UPDATE export SET attempt = attempt + 1 WHERE id = %(export_id)s AND bytes IS NULL RETURNING id AS export_id, user_id, attempt
), cleared AS (
    DELETE FROM export_chunk USING begun WHERE export_chunk.export_id = begun.export_id
)
SELECT export_id, user_id, attempt FROM begun
"""
_HELD: Final = "SELECT id FROM export WHERE id = %(export_id)s AND attempt = %(attempt)s"
_KEEP: Final = f"""
INSERT INTO export_chunk (export_id, number, piece) SELECT held.id, %(number)s, %(piece)b FROM ({_HELD} FOR SHARE) AS held
"""
_FINISH: Final = """
UPDATE export SET bytes = (SELECT coalesce(sum(length(piece)), 0) FROM export_chunk WHERE export_chunk.export_id = export.id)
 WHERE id = %(export_id)s AND attempt = %(attempt)s
"""
_CHUNK: Final = "SELECT piece FROM export_chunk WHERE export_id = %(export_id)s AND number = %(number)s"
_FORGET: Final = "DELETE FROM export WHERE created_at < now() - make_interval(secs => %(seconds)s)"


class ExportTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ask(self, user_id: UUID) -> Export | None:
        """Have one made, unless one is being made; None for a user who is gone."""
        values = {"user_id": user_id, "id": uuid7()}
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                if await (await connection.execute(_ASK, values)).fetchone() is not None:
                    await connection.execute(_ADD, values)
        return await self.find(user_id)

    async def find(self, user_id: UUID) -> Export | None:
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Export)) as cursor:
                await cursor.execute(_FIND, {"user_id": user_id})
                return await cursor.fetchone()

    async def make_later(self, export_id: UUID) -> None:
        """Have a worker come back to it, unless it is whole by now, or gone."""
        await fetch_all(self._pool, _LATER, {"export_id": export_id})

    async def begin(self, export_id: UUID) -> ExportAttempt | None:
        """Make another try at it, which ends any other; None for one that is whole, or gone."""
        rows = await fetch_all(self._pool, _BEGIN, {"export_id": export_id})
        return ExportAttempt(**rows[0]) if rows else None

    async def keep(self, attempt: ExportAttempt, number: int, piece: bytes) -> bool:
        """False, and nothing kept, when another try has taken over, or the export or its user is gone."""
        values = {"export_id": attempt.export_id, "attempt": attempt.attempt, "number": number, "piece": piece}
        return await execute(self._pool, _KEEP, values) > 0

    async def finish(self, attempt: ExportAttempt) -> None:
        """All of it is kept, and can be read."""
        await execute(self._pool, _FINISH, {"export_id": attempt.export_id, "attempt": attempt.attempt})

    async def pieces(self, export_id: UUID) -> AsyncGenerator[bytes]:
        """Its bytes, some at a time; no connection is held while a reader takes them."""
        number = 0
        while rows := await fetch_all(self._pool, _CHUNK, {"export_id": export_id, "number": number}):
            yield rows[0]["piece"]
            number += 1

    async def forget(self, older_than_seconds: float) -> int:
        """Delete exports from before that; return how many."""
        return await execute(self._pool, _FORGET, {"seconds": older_than_seconds})
