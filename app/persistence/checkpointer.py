"""LangGraph's Postgres checkpointer without the lock that made one query wait for every other."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row

from app.persistence.database import Pool, database_errors


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
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(binary=True, row_factory=dict_row) as cursor:
                if not pipeline:
                    yield cursor
                else:
                    async with connection.pipeline(), connection.transaction():
                        yield cursor
