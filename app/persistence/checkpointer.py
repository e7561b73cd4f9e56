"""LangGraph's Postgres checkpointer without the lock that made one query wait for every other, and with a run's fence."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row

from app.errors import RunLost
from app.persistence.database import Pool, database_errors, while_away
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
    """The saver of one attempt at a run: it raises RunLost, and writes nothing, once the attempt no longer holds the run.

    It shows the graph the checkpoint at which the attempt begins, None for an empty state, as the latest of its thread: that is how
    a conversation branches. A database that goes away is waited for, so that its restart does not end an answer.
    """

    def __init__(self, pool: Pool, run_id: UUID, attempt: int, begin_at: str | None, patience_seconds: float) -> None:
        super().__init__(pool)
        self._holder = {"run_id": run_id, "attempt": attempt}
        self._patience_seconds = patience_seconds
        self.latest = begin_at

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        place = config["configurable"]
        if not place.get("checkpoint_id") and not place.get("checkpoint_ns"):
            if self.latest is None:
                return None
            config = {**config, "configurable": {**place, "checkpoint_id": self.latest}}
        async for attempt in while_away(self._patience_seconds):
            with attempt:
                found = await super().aget_tuple(config)
        return found

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        async for attempt in while_away(self._patience_seconds):
            with attempt:
                written = await super().aput(config, checkpoint, metadata, new_versions)
        if not config["configurable"].get("checkpoint_ns"):
            self.latest = checkpoint["id"]
        return written

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        async for attempt in while_away(self._patience_seconds):
            with attempt:
                await super().aput_writes(config, writes, task_id, task_path)

    async def _admit(self, cursor: AsyncCursor[DictRow]) -> None:
        await cursor.execute(_HOLDS, self._holder)
        if await cursor.fetchone() is None:
            raise RunLost
