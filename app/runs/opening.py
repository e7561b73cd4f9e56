"""Open the runs of a process: the log's writer, the leases, and the ears for other processes."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from uuid import UUID

import structlog

from app.errors import AppError
from app.llm.models import Models
from app.persistence.values import TakenRun
from app.runs.attempts import Attempts, AttemptStore
from app.runs.bulletin import Bulletin
from app.runs.chores import kept_up
from app.runs.flush import EventStore, Flusher
from app.runs.quotas import Quotas
from app.runs.service import AttachmentContents, Crew, PastTurns, Runs, RunStore, Stores
from app.runs.tail import EventReader, Tails
from app.runs.turns import TurnStore
from app.runs.walk import Bench, Means
from app.settings import Tiers

_RENEWALS_PER_LEASE: Final = 3
_TAKEN_AT_ONCE: Final = 20

log = structlog.get_logger()


class RunRows(RunStore, AttemptStore, Protocol):
    async def renew_leases(self, run_ids: Sequence[UUID]) -> None: ...
    async def take(self, most: int, ours: Sequence[UUID]) -> Sequence[TakenRun]: ...
    async def stops_requested(self) -> Sequence[UUID]: ...


class Events(EventStore, EventReader, Protocol): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Where runs are kept."""

    runs: RunRows
    turns: TurnStore
    past: PastTurns
    events: Events
    attachments: AttachmentContents


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The open runs, their readers, and what other processes tell them; `work` is set when there may be a run to take."""

    runs: Runs
    tails: Tails
    attempts: Attempts
    bulletin: Bulletin
    work: asyncio.Event


@asynccontextmanager
async def open_runs(
    means: Means, models: Models, bench_of: Callable[[TakenRun], Bench], rows: Rows, quotas: Quotas | None = None
) -> AsyncGenerator[Office]:
    """Leaving hands the live runs back, for the next process to go on with. Without `quotas` nobody has any."""
    flusher = Flusher(
        rows.events,
        interval_seconds=means.runs.event_flush_ms / 1000,
        give_up=lambda run_log, reason: attempts.give_up(run_log, reason),  # noqa: PLW0108  # each needs the other
    )
    attempts = Attempts(means, rows.runs, flusher)
    tails = Tails(attempts, rows.events, bulletin := Bulletin(), means.runs.lease_seconds)
    crew = Crew(
        attempts=attempts,
        tails=tails,
        flusher=flusher,
        bulletin=bulletin,
        models=models,
        cache=means.cache,
        attachments=rows.attachments,
        settings=means.runs,
        agents=means.agents,
        bench_of=bench_of,
        quotas=quotas or Quotas(Tiers(), None),
        tracing=means.tracing,
    )
    runs = Runs(crew, Stores(runs=rows.runs, turns=rows.turns, past=rows.past))
    office = Office(runs=runs, tails=tails, attempts=attempts, bulletin=bulletin, work=asyncio.Event())
    async with asyncio.TaskGroup() as tasks:
        chores = [
            tasks.create_task(kept_up(flusher.keep_flushing), name="flusher"),
            tasks.create_task(kept_up(partial(_keep_leases, office, rows, means.runs.lease_seconds)), name="leases"),
            tasks.create_task(kept_up(partial(_keep_taking, office, rows)), name="taking"),
        ]
        try:
            yield office
        finally:
            await runs.close()
            for chore in chores:
                chore.cancel()


async def _keep_leases(office: Office, rows: Rows, lease_seconds: float) -> None:
    """Say regularly that this process lives, and go on with the runs of those that do not."""
    while True:
        try:
            # Only what is really worked on: a run whose claim or end went wrong must expire, or its session would never be free.
            await rows.runs.renew_leases(_ours(office))
            for run_id in await rows.runs.stops_requested():
                office.attempts.stop(run_id)
            if not office.runs.is_stopping:
                await rows.turns.promote()
        except AppError as error:
            log.warning("leases_not_renewed", error=error.code)
        office.work.set()
        await asyncio.sleep(lease_seconds / _RENEWALS_PER_LEASE)


async def _keep_taking(office: Office, rows: Rows) -> None:
    """Take runs that are free as soon as somebody says that there may be some."""
    while True:
        await office.work.wait()
        office.work.clear()
        try:
            if not office.runs.is_stopping:
                await _take_over(office, rows)
        except AppError as error:
            log.warning("runs_not_taken", error=error.code)


async def _take_over(office: Office, rows: Rows) -> None:
    """As many as there is room for; the others have a look too."""
    while (room := min(_TAKEN_AT_ONCE, office.runs.room)) > 0 and (taken := await rows.runs.take(room, _ours(office))):
        for run in taken:
            log.info("run_taken", run_id=str(run.id), attempt=run.attempt, crashes=run.crashes)
            office.runs.begin(run)


def _ours(office: Office) -> Sequence[UUID]:
    return [run.id for run in office.attempts]
