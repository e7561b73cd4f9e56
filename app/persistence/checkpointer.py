"""LangGraph's Postgres checkpointer without the lock that made one query wait for every other, and with a run's fence."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row

from app.errors import RunLost
from app.persistence.database import Pool, database_errors
from app.persistence.tables import LIVE_SQL

# Share-locked until the checkpoint is committed, so that a takeover comes before it or after it, never between.
_HOLDS: Final = f"SELECT FROM run WHERE id = %(run_id)s AND attempt = %(attempt)s AND {LIVE_SQL} FOR SHARE"


class PooledPostgresSaver(AsyncPostgresSaver):
    """Give each query a connection of its own; a run's own order is kept by the graph's loop.

    The stock saver holds one lock around every query, with a pool as without (langgraph #7259). The serializer
    builds no class that a checkpoint names unless it is on LangGraph's list of safe ones (CVE-2026-28277).
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self._pool = pool

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncGenerator[AsyncCursor[DictRow]]:
        """`pipeline` is how the parent marks its writes."""
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(binary=True, row_factory=dict_row) as cursor:
                if not pipeline:
                    yield cursor
                else:
                    async with connection.pipeline(), connection.transaction():
                        await self._admit(cursor)
                        yield cursor

    async def _admit(self, cursor: AsyncCursor[DictRow]) -> None:
        """Let every write through."""


class FencedSaver(PooledPostgresSaver):
    """The saver of one attempt at a run: it raises RunLost, and writes nothing, once the attempt no longer holds the run."""

    def __init__(self, pool: Pool, run_id: UUID, attempt: int) -> None:
        super().__init__(pool)
        self._holder = {"run_id": run_id, "attempt": attempt}

    async def _admit(self, cursor: AsyncCursor[DictRow]) -> None:
        await cursor.execute(_HOLDS, self._holder)
        if await cursor.fetchone() is None:
            raise RunLost
