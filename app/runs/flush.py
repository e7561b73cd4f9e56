"""The writer behind the event log: one statement for all runs of the process, some times a second."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

import structlog

from app import signals
from app.errors import AppError, DatabaseUnavailable, RunLost
from app.persistence.values import EventBatch
from app.runs.events import RunEvent
from app.runs.log import RunLog

# Under load the pause grows until writing takes this share of the time at the most.
_LARGEST_SHARE: Final = 0.2

log = structlog.get_logger()


class EventStore(Protocol):
    async def append(self, batches: Sequence[EventBatch]) -> set[tuple[UUID, int]]: ...


class Flusher:
    def __init__(self, store: EventStore, *, interval_seconds: float, give_up: Callable[[RunLog, AppError], None]) -> None:
        """`give_up` is called with a log that cannot be written, and why: another attempt has the run, or the database refuses it."""
        self._store = store
        self._interval_seconds = interval_seconds
        self._give_up = give_up
        self._waiting: set[RunLog] = set()
        self._flying: set[RunLog] = set()
        self._news = asyncio.Event()
        self._landed = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    def appended(self, run_log: RunLog) -> None:
        """Called for every token."""
        self._waiting.add(run_log)
        self._news.set()

    async def hand_over(self, run_log: RunLog, last_events: Sequence[RunEvent]) -> EventBatch:
        """Wait for what is on its way, and leave the rest of the log, with these last events, to the caller."""
        while run_log in self._flying:
            await self._landed.wait()
        self._waiting.discard(run_log)
        return run_log.following(last_events)

    async def keep_flushing(self) -> None:
        """Write until cancelled."""
        pause = self._interval_seconds
        while True:
            await self._news.wait()
            await asyncio.sleep(pause)
            started = time.monotonic()
            await self.flush()
            pause = max(self._interval_seconds, (time.monotonic() - started) / _LARGEST_SHARE)

    async def flush(self) -> None:
        """Write what there is now."""
        async with self._one_at_a_time:
            self._news.clear()
            self._flying, self._waiting = self._waiting, set()
            self._landed.clear()
            try:
                await self._write_all({run_log: batch for run_log in self._flying if (batch := run_log.following(())).entries})
            except DatabaseUnavailable:
                signals.events_not_flushed()
                log.warning("events_not_written", runs=len(self._flying))
                self._waiting |= self._flying
                self._news.set()
            finally:
                self._flying = set()
                self._landed.set()

    async def _write_all(self, batches: Mapping[RunLog, EventBatch]) -> None:
        try:
            await self._write(batches)
        except DatabaseUnavailable:
            raise
        except AppError:
            # One of them cannot be written; the others need not end for it.
            for run_log, batch in batches.items():
                try:
                    await self._write({run_log: batch})
                except DatabaseUnavailable:
                    raise
                except AppError as error:
                    self._give_up(run_log, error)

    async def _write(self, batches: Mapping[RunLog, EventBatch]) -> None:
        if not batches:
            return
        started, written = time.perf_counter(), 0
        held = await self._store.append([*batches.values()])
        for run_log, batch in batches.items():
            if (run_log.run_id, run_log.attempt) in held:
                run_log.written(batch)
                written += len(batch.entries)
            else:
                self._give_up(run_log, RunLost())
        signals.events_flushed(written, time.perf_counter() - started)
