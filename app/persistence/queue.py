"""The queue of background work: procrastinate on the pool that everything shares."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.connector import Notify
from psycopg_pool import AsyncConnectionPool

from app import signals
from app.crashes import log_crash
from app.errors import AppError
from app.persistence.database import Pool
from app.persistence.done import DoneTable
from app.persistence.jobs import QUEUE

_MOST_RETRIES: Final = 5
_MOST_PATIENT_RETRIES: Final = 10  # half an hour, as the pauses grow
_WAIT_SECONDS: Final = 2
_DEAD_WORKER_SECONDS: Final = 30
_KEPT_HOURS: Final = 24
_EVERY_HALF_MINUTE: Final = "* * * * * */30"  # the sixth field is seconds
# When chores are done.
EVERY_THREE_SECONDS: Final = "* * * * * */3"
EVERY_TEN_SECONDS: Final = "* * * * * */10"
EVERY_MINUTE: Final = "* * * * *"
EVERY_TEN_MINUTES: Final = "*/10 * * * *"
EVERY_HOUR: Final = "23 * * * *"

log = structlog.get_logger()

type Job = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """What is to be done again and again, at the times of a `cron` line."""

    name: str
    cron: str
    do: Callable[[], Awaitable[None]]


class JobFailed(Exception):
    """What the queue is told of an error, for it logs and keeps what it is told: the kind, never the words."""


def by_id(job: Callable[[UUID], Awaitable[None]]) -> Job:
    """A job whose one argument is an id, under whatever name."""

    async def do(**arguments: str) -> None:
        (about,) = arguments.values()
        await job(UUID(about))

    return do


class _Connector(PsycopgConnector):
    """Hears of new jobs at an address of its own, for notices do not come through every pooler."""

    def __init__(self, listens_at: str) -> None:
        super().__init__()
        self._listens_at = listens_at

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        ear = PsycopgConnector()
        # Never opened: the connection that listens is none of a pool's, and the pool says only where it goes.
        await ear.open_async(AsyncConnectionPool(self._listens_at, open=False))
        await ear.listen_notify(on_notification, channels)


@asynccontextmanager
async def open_queue(
    pool: Pool, jobs: Mapping[str, Job], chores: Sequence[Chore], patient: Collection[str] = (), *, listens_at: str | None = None
) -> AsyncGenerator[App]:
    """Jobs are named as the statements that put them there name them; each is tried again, later and later, when it fails.

    Those that are `patient` go on for half an hour, for what they need is not ours and may be away for that long. Without `listens_at`
    it listens where the pool's connections go.
    """
    queue = App(connector=_Connector(listens_at) if listens_at else PsycopgConnector())
    for name, job in jobs.items():
        tries = _MOST_PATIENT_RETRIES if name in patient else _MOST_RETRIES
        retry = RetryStrategy(max_attempts=tries, exponential_wait=_WAIT_SECONDS)
        queue.task(name=name, queue=QUEUE, retry=retry)(_about_something(_discreet(name, job)))
    done = DoneTable(pool)
    for chore in [*chores, Chore(name="retry_stalled", cron=_EVERY_HALF_MINUTE, do=lambda: _retry_stalled(queue))]:
        do = _on_time(_discreet(chore.name, chore.do), partial(_note_done, done, chore.name))
        task = queue.task(name=chore.name, queue=QUEUE, queueing_lock=chore.name)(do)
        queue.periodic(cron=chore.cron)(task)
    async with queue.open_async(pool):
        yield queue


async def work(queue: App, *, concurrency: int) -> None:
    """Do jobs until cancelled; what is under way then is cancelled too, and found stalled by the next worker."""
    await queue.run_worker_async(
        queues=[QUEUE],
        concurrency=concurrency,
        install_signal_handlers=False,
        shutdown_graceful_timeout=0,
        delete_jobs="successful",
        stalled_worker_timeout=_DEAD_WORKER_SECONDS,
    )


def names_of(queue: App) -> Sequence[str]:
    """The names of its chores."""
    return [name for name, _ in queue.periodic_registry.periodic_tasks]


def _on_time(job: Job, note: Callable[[], Awaitable[None]]) -> Callable[[int], Awaitable[None]]:
    async def do(timestamp: int) -> None:  # noqa: ARG001  # what a periodic task is given
        await job()
        await note()

    return do


async def _note_done(table: DoneTable, chore: str) -> None:
    """Best effort: what is done does not fail for it, and is noted the next time."""
    try:
        await table.note(chore)
    except AppError as error:
        log.warning("chore_not_noted", task=chore, error=error.code)


def _about_something(job: Job) -> Job:
    """An erasure leaves a job that was being done without its arguments: there is nothing left that it is about."""

    async def do(**arguments: object) -> None:
        if arguments:
            await job(**arguments)

    return do


def _discreet(name: str, job: Job) -> Job:
    async def do(**arguments: object) -> None:
        started = time.perf_counter()
        try:
            await job(**arguments)
        except Exception as error:  # noqa: BLE001  # the boundary of a job, as the walk is of a run
            signals.job_done(name, "failed", time.perf_counter() - started)
            if isinstance(error, AppError):  # such as a provider that is down: the code says all
                log.warning("job_failed", task=name, error=error.code)
            else:
                log_crash("job_crashed", error, task=name)
            raise JobFailed(type(error).__name__) from None
        signals.job_done(name, "ok", time.perf_counter() - started)

    return do


async def _retry_stalled(queue: App) -> None:
    """Jobs of workers that died are detected by the queue, and retried by nobody but us."""
    for job in await queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=_DEAD_WORKER_SECONDS):
        log.warning("job_retried", task=job.task_name)
        await queue.job_manager.retry_job(job)
    await queue.job_manager.delete_old_jobs(_KEPT_HOURS, include_failed=True, include_aborted=True)
