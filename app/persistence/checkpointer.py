"""LangGraph's Postgres checkpointer without the lock that made one query wait for every other, and with a run's fence."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from inspect import signature
from typing import Any, Final
from uuid import UUID

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row

from app import signals
from app.errors import AppError, RunLost, TurnTooOld
from app.persistence.checkpoint_rows import Rows, Unwritten, UnwrittenWrites
from app.persistence.database import Pool, database_errors, fetch_all, patiently
from app.persistence.pace import Pace
from app.persistence.recent_checkpoints import RecentCheckpoints
from app.persistence.states import LIVE_SQL

# One statement, so that a checkpoint is there whole or not at all. The run's row is share-locked until it is committed: a takeover
# comes before it or after it, never between.
_SAVE: Final = f"""
WITH held AS (
    SELECT id FROM run WHERE id = %(run_id)s AND attempt = %(attempt)s AND {LIVE_SQL} FOR SHARE
), blobs AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(thread_id)s, one.namespace, channel, version, type, substring(%(bytes)b::bytea FROM starts FOR length)
      FROM held, jsonb_to_recordset(%(blobs)s::jsonb) AS one (namespace text, channel text, version text, type text, starts int, length int)
    ON CONFLICT DO NOTHING
), saved AS (
    INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
    SELECT %(thread_id)s, one.* FROM held, jsonb_to_recordset(%(checkpoints)s::jsonb)
        AS one (namespace text, id text, parent_id text, checkpoint jsonb, metadata jsonb)
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id) DO UPDATE SET checkpoint = excluded.checkpoint, metadata = excluded.metadata
), written AS (
    INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
    SELECT %(thread_id)s, one.namespace, one.id, task_id, task_path, place, channel, type,
           substring(%(bytes)b::bytea FROM starts FOR length)
      FROM held, jsonb_to_recordset(%(writes)s::jsonb)
        AS one (namespace text, id text, task_id text, task_path text, place int, channel text, type text, starts int, length int)
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO UPDATE
       SET channel = excluded.channel, type = excluded.type, blob = excluded.blob
)
SELECT id FROM held
"""

log = structlog.get_logger()


class PooledPostgresSaver(AsyncPostgresSaver):
    """Give each query a connection of its own; a run's own order is kept by the graph's loop.

    The stock saver holds one lock around every query, with a pool as without (langgraph #7259). The serializer
    builds no class that a checkpoint names unless it is on LangGraph's list of safe ones (CVE-2026-28277).
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, serde=_serializer())
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
                        yield cursor

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        started = time.perf_counter()
        found = await super().aget_tuple(config)
        signals.checkpoint_read(time.perf_counter() - started)
        return found

    async def _load_checkpoint_tuple(self, value: DictRow) -> CheckpointTuple:
        # As the parent does, which sends to a thread what takes less time than the way there.
        place = {"thread_id": value["thread_id"], "checkpoint_ns": value["checkpoint_ns"]}
        parent_id = value["parent_checkpoint_id"]
        checkpoint: Checkpoint = value["checkpoint"]
        checkpoint["channel_values"] = {**(checkpoint.get("channel_values") or {}), **self._load_blobs(value["channel_values"])}
        return CheckpointTuple(
            {"configurable": {**place, "checkpoint_id": value["checkpoint_id"]}},
            checkpoint,
            value["metadata"],
            {"configurable": {**place, "checkpoint_id": parent_id}} if parent_id else None,
            self._load_writes(value["pending_writes"]),
        )


class FencedSaver(PooledPostgresSaver):
    """The saver of one attempt at a run: it raises RunLost, and writes nothing, once the attempt no longer holds the run.

    It shows the graph the checkpoint at which the attempt begins, None for an empty state, as the latest of its thread: that is how
    a conversation branches. A database that goes away is waited for, so that its restart does not end an answer.

    It writes behind, as the event log does: what the graph gives is written after a pause, as the `pace` has it, or when `flush` is
    called, and a checkpoint that another has followed by then not at all. So a process that dies loses as much of its last steps, and a
    turn that is over sooner has one write. What was written last is kept among the `recent`, and begun at without being read.
    """

    def __init__(
        self,
        pool: Pool,
        run_id: UUID,
        attempt: int,
        begin_at: str | None,
        *,
        patience_seconds: float,
        pace: Pace,
        recent: RecentCheckpoints,
    ) -> None:
        super().__init__(pool)
        self._holder = {"run_id": run_id, "attempt": attempt}
        self._patience_seconds = patience_seconds
        self._pace = pace
        self._recent = recent
        self._unwritten: dict[str, Unwritten] = {}
        self._writes: list[UnwrittenWrites] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._failure: AppError | None = None
        self.latest = begin_at

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        await self.flush()
        place = config["configurable"]
        if not place.get("checkpoint_id") and not place.get("checkpoint_ns"):
            if self.latest is None:
                return None
            if (kept := self._recent.take(self.latest)) and kept.config["configurable"]["thread_id"] == place["thread_id"]:
                return kept
            config = {**config, "configurable": {**place, "checkpoint_id": self.latest}}
        found = await patiently(self._patience_seconds, partial(super().aget_tuple, config))
        named = not place.get("checkpoint_ns") and config["configurable"].get("checkpoint_id")
        if found is None and named:
            raise TurnTooOld  # rather than an answer without what was said before
        if found and named and found.metadata.get("source") == "fork":
            # LangGraph copies the checkpoint that a run is sent to, but not one that is such a copy itself: it would write on there.
            found = found._replace(metadata={**found.metadata, "source": "loop"})
        return found

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        self._check()
        given = Unwritten(config, checkpoint, metadata, new_versions)
        if overtaken := self._unwritten.get(given.namespace):
            given = given.instead_of(overtaken)
            self._writes = [writes for writes in self._writes if not writes.belongs_to(overtaken)]
        self._unwritten[given.namespace] = given
        self._flush_soon()
        return given.place

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        self._check()
        given = UnwrittenWrites(config, writes, task_id, task_path)
        self._writes.append(given)
        self._recent.drop(given.id)
        self._flush_soon()

    async def flush(self) -> None:
        """Write what is not written yet.

        Raise RunLost, DatabaseUnavailable or DatabaseRefused, be it for what was to be written before.
        """
        while self._writing or self._unwritten or self._writes:
            # A task of its own: who waits may be stopped, and what is half-sent may not.
            self._begin_writing()
            assert self._writing  # noqa: S101  # has just begun
            await asyncio.wait([self._writing])
        self._check()

    def _check(self) -> None:
        if self._failure:
            raise self._failure

    def _flush_soon(self) -> None:
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(self._pace.pause_seconds, self._begin_writing)

    def _begin_writing(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="checkpoint")
            self._writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Task[None]) -> None:
        self._writing = None
        if error := writing.exception():
            self._unwritten, self._writes = {}, []
            self._failure = error if isinstance(error, AppError) else _cannot_be_kept(error)
        elif self._unwritten or self._writes:
            self._flush_soon()

    async def _write(self) -> None:
        unwritten, self._unwritten = self._unwritten, {}
        writes, self._writes = self._writes, []
        rows, started = Rows(self.serde, [*unwritten.values()], writes), time.perf_counter()
        with self._pace.timing():
            await self._save(rows)
        signals.checkpoints_written(len(unwritten), rows.size, time.perf_counter() - started)
        if root := unwritten.get(""):
            self.latest = root.id
            # LangGraph copies the checkpoint that a run is sent to, and looks at where it came from.
            if root.metadata.get("source") == "loop" and not any(one.belongs_to(root) for one in [*writes, *self._writes]):
                self._recent.keep(root.as_read(), rows.size)

    async def _save(self, rows: Rows) -> None:
        values = {**self._holder, **rows.parameters()}
        if not await patiently(self._patience_seconds, partial(fetch_all, self._pool, _SAVE, values)):
            raise RunLost


# Each run of a graph asks whether a saver takes `task_path`, and to find out takes as long as ten tokens.
vars(FencedSaver)["aput_writes"].__signature__ = signature(FencedSaver.aput_writes)


@cache
def _serializer() -> JsonPlusSerializer:
    return JsonPlusSerializer(allowed_msgpack_modules=None)


def _cannot_be_kept(error: BaseException) -> AppError:
    log.error("checkpoint_not_written", error=type(error).__name__)  # the kind only: its words may quote the state
    return AppError()
