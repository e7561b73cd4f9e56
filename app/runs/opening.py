"""Open the runs of a process: the log's writer, the leases, and the ears for other processes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from traceback import format_tb
from typing import Final, Protocol
from uuid import UUID

import structlog

from app.agent.graph import Agent
from app.errors import AppError
from app.llm.models import Models
from app.persistence.values import TakenRun
from app.runs.attempts import Attempts, AttemptStore
from app.runs.bulletin import Bulletin
from app.runs.flush import EventStore, Flusher
from app.runs.service import Crew, Runs, RunStore
from app.runs.tail import EventReader, Tails
from app.runs.walk import Means

_RENEWALS_PER_LEASE: Final = 3
_TAKEN_AT_ONCE: Final = 20
_SECONDS_PER_HOUR: Final = 3600
_RETENTION_PAUSE_SECONDS: Final = 600
_CRASH_PAUSE_SECONDS: Final = 1

log = structlog.get_logger()


class Store(RunStore, AttemptStore, Protocol):
    async def renew_leases(self, run_ids: Sequence[UUID]) -> None: ...
    async def take_lost(self, most: int) -> Sequence[TakenRun]: ...
    async def stops_requested(self) -> Sequence[UUID]: ...


class Events(EventStore, EventReader, Protocol):
    async def forget(self, older_than_seconds: float) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The open runs, their readers, and what other processes tell them."""

    runs: Runs
    tails: Tails
    attempts: Attempts
    bulletin: Bulletin


@asynccontextmanager
async def open_runs(
    means: Means, models: Models, agent_of: Callable[[UUID, int], Agent], store: Store, events: Events
) -> AsyncGenerator[Office]:
    """Leaving hands the live runs back, for the next process to go on with."""
    flusher = Flusher(
        events,
        interval_seconds=means.runs.event_flush_ms / 1000,
        give_up=lambda run_log, reason: attempts.give_up(run_log, reason),  # noqa: PLW0108  # each needs the other
    )
    attempts = Attempts(means, store, flusher)
    tails = Tails(attempts, events, bulletin := Bulletin())
    crew = Crew(attempts=attempts, tails=tails, flusher=flusher, models=models, settings=means.runs, agent_of=agent_of)
    office = Office(runs=Runs(crew, store), tails=tails, attempts=attempts, bulletin=bulletin)
    async with asyncio.TaskGroup() as tasks:
        chores = [
            tasks.create_task(_kept_up(flusher.keep_flushing), name="flusher"),
            tasks.create_task(_kept_up(partial(_forget_events, events, means.runs.event_hours * _SECONDS_PER_HOUR)), name="retention"),
            tasks.create_task(_kept_up(partial(_keep_leases, office, store, means.runs.lease_seconds)), name="leases"),
        ]
        try:
            yield office
        finally:
            await office.runs.close()
            for chore in chores:
                chore.cancel()


async def _kept_up(chore: Callable[[], Awaitable[None]]) -> None:
    """Begin a chore again that a bug of ours has ended: without it the server would live on and do nothing."""
    while True:
        try:
            await chore()
        except Exception as error:  # noqa: BLE001  # the boundary of work that nobody asked for
            log.error("chore_crashed", error=type(error).__name__, frames=format_tb(error.__traceback__)[-5:])  # noqa: TRY400
            await asyncio.sleep(_CRASH_PAUSE_SECONDS)


async def _keep_leases(office: Office, store: Store, lease_seconds: float) -> None:
    """Say regularly that this process lives, and go on with the runs of those that do not."""
    while True:
        try:
            # Only what is really worked on: a run whose claim or end went wrong must expire, or its session would never be free.
            await store.renew_leases(office.attempts.ids())
            for run_id in await store.stops_requested():
                office.attempts.stop(run_id)
            for lost in await store.take_lost(_TAKEN_AT_ONCE):
                log.warning("run_taken_over", run_id=str(lost.id), attempt=lost.attempt)
                office.runs.resume(lost)
        except AppError as error:
            log.warning("leases_not_renewed", error=error.code)
        await asyncio.sleep(lease_seconds / _RENEWALS_PER_LEASE)


async def _forget_events(events: Events, older_than_seconds: float) -> None:
    """Every process does: what one has deleted, the next does not find."""
    while True:
        try:
            if rows := await events.forget(older_than_seconds):
                log.info("events_forgotten", rows=rows)
        except AppError as error:
            log.warning("events_not_forgotten", error=error.code)
        await asyncio.sleep(_RETENTION_PAUSE_SECONDS)
