"""Open every part in order, join them, and close them in reverse: the only module that knows them all."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sized
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from procrastinate import App
from uuid_utils.compat import uuid7

from app.access import Access, open_access
from app.agent.hooks import hooks_of
from app.background import chores_of, jobs_of
from app.entrance import LETTERS, Accounts, open_accounts
from app.errors import SettingsInvalid
from app.judging import judging_of
from app.lifecycle import Lifecycle, attachment_table, lifecycle_on
from app.llm.embedding import Embedder
from app.llm.models import Models, open_models
from app.llm.response_cache import ResponseCache
from app.memory import BackgroundWork, open_memory, open_remembering
from app.persistence.address import database_url
from app.persistence.attachments import AttachmentTable
from app.persistence.branches import BranchTable
from app.persistence.channels import ERASED, EVENTS, STOPS, WORK, Ear
from app.persistence.database import Database, Pool, open_database
from app.persistence.events import EventTable
from app.persistence.feedback import FeedbackTable
from app.persistence.health import DatabaseHealth
from app.persistence.interrupts import InterruptTable
from app.persistence.ledger import LedgerTable
from app.persistence.memories import MemoryTable
from app.persistence.migrating import migrate_where_behind
from app.persistence.queue import Chore, Job, by_id, names_of, open_queue, work
from app.persistence.recent_checkpoints import RecentCheckpoints
from app.persistence.runs import RunTable
from app.persistence.sampling import Sampling
from app.persistence.sessions import SessionTable
from app.persistence.shared import open_shared_notices
from app.persistence.turns import TurnTable
from app.persistence.values import TakenRun
from app.runs.attachments import Attachments
from app.runs.catalog import Catalog
from app.runs.chores import kept_up, name_session
from app.runs.feedback import Feedback
from app.runs.ledger import Ledger
from app.runs.memories import Memories
from app.runs.opening import Office, Rows, open_runs
from app.runs.past import Past
from app.runs.questions import Questions
from app.runs.recall import Recall
from app.runs.service import Runs
from app.runs.sessions import Sessions
from app.runs.tail import Tails
from app.runs.walk import Bench, Means
from app.runs.webhooks import Webhooks
from app.serving import Limits, bench_of, open_limits, open_means, open_response_cache, past_of
from app.settings import DatabaseSettings, Settings, Tiers, WorkerSettings
from app.tiers import checked_tiers
from app.tracing import SCORES, OpenTracing, open_tracing
from app.webhooks import open_webhooks

if TYPE_CHECKING:
    from app.persistence.redis_notices import RedisNotices

# Drops what this process holds in its memory of a user who was erased, None for everybody's.
type Forgetting = Callable[[str | None], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """What metrics are read from."""

    sampling: Sampling
    pool: Pool
    live_runs: Sized

    @property
    def schema(self) -> DatabaseHealth:
        return self.sampling.health


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The open parts, joined; what `main`, `cli`, evals and scripts work with."""

    accounts: Accounts
    access: Access
    catalog: Catalog
    sessions: Sessions
    attachments: Attachments
    runs: Runs
    questions: Questions
    past: Past
    ledger: Ledger
    feedback: Feedback
    lifecycle: Lifecycle
    memories: Memories
    webhooks: Webhooks
    tails: Tails
    models: Models
    watched: Watched
    notices: "RedisNotices | None"
    limits: Limits
    queue: App


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """Raise SettingsInvalid, DatabaseUnavailable or MigrationFailed; leaving ends live runs first and the database last."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        models, tiers = await enter(_open_models(settings)), checked_tiers(settings)
        database, cache, notices = await enter(_open_stores(settings))
        judging = judging_of(settings, models, ledger := Ledger(LedgerTable(database.pool)), database.pool)
        accounts, access, limits = await enter(_open_doors(settings, database, tiers))
        sessions, (turns, events, attachments, rows) = SessionTable(database), _as_one_owner(database.pool, settings, notices)
        embedder, tracing, means, bench, forget = await enter(_open_means(settings, database.pool, sessions, cache))
        office = await enter(open_runs(means, models, bench, rows, limits.quotas))
        await enter(_listening(database.direct_url, office, notices, forget))
        catalog = Catalog(means.agents, models)
        questions = Questions(InterruptTable(database.pool), turns, office.runs, office.tails)
        naming = partial(name_session, sessions, models, ledger, settings.worker, cache=cache)
        chores = [*accounts.chores, *chores_of(settings.runs, questions, turns, events), *judging.chores]
        remembering = open_remembering(settings, models, ledger, database.pool, embedder)
        jobs = {**accounts.jobs, **tracing.jobs, **jobs_of(office.runs, naming), **judging.jobs}
        queue, lifecycle, webhooks = await enter(_open_background(settings, database, remembering, jobs, chores))
        yield Services(
            accounts=accounts,
            access=access,
            catalog=catalog,
            sessions=Sessions(sessions, BranchTable(database.pool), office.runs, catalog, temporary_hours=settings.runs.temporary_hours),
            attachments=Attachments(attachments, settings.attachments),
            runs=office.runs,
            questions=questions,
            past=past_of(means.agents, database.pool),
            ledger=ledger,
            feedback=Feedback(FeedbackTable(database.pool, tells=settings.tracing.has_langfuse)),
            lifecycle=lifecycle,
            memories=Memories(MemoryTable(database.pool)),
            webhooks=webhooks,
            tails=office.tails,
            models=models,
            watched=Watched(Sampling(pool := database.pool, DatabaseHealth(pool), names_of(queue)), pool, office.attempts),
            notices=notices,
            limits=limits,
            queue=queue,
        )


@asynccontextmanager
async def _open_models(settings: Settings) -> AsyncGenerator[Models]:
    async with open_models(settings.models, settings.model_keys, hooks_of(settings.hooks)) as models:
        # Where it is missing, no job could do anything, and nobody would see it.
        if (name := settings.remembering.model) and name not in models:
            raise SettingsInvalid(f"MEMORY_MODEL: {name} is not in models.yaml, or its key is not set.")
        yield models


@asynccontextmanager
async def _open_means(
    settings: Settings, pool: Pool, names: SessionTable, cache: ResponseCache | None
) -> AsyncGenerator[tuple[Embedder | None, OpenTracing, Means, Callable[[TakenRun], Bench], Forgetting]]:
    """What runs are made with: the memory, what watches them, and all else; and how all of it forgets a user."""
    recent = RecentCheckpoints()
    async with (
        open_memory(settings, pool) as (embedder, memory),
        open_tracing(settings, pool) as tracing,
        open_means(settings, pool, memory, names, cache, watching=tracing) as means,
    ):
        bench = bench_of(means.agents, pool, recent, settings.runs)
        yield embedder, tracing, means, bench, _forgetting(cache, memory, recent, tracing)


@asynccontextmanager
async def _open_stores(settings: Settings) -> AsyncGenerator[tuple[Database, ResponseCache | None, "RedisNotices | None"]]:
    """The database, and what a Redis may share between servers."""
    async with (
        _open_database(settings.database) as database,
        open_response_cache(settings.cache, settings.redis) as cache,
        open_shared_notices(settings.redis) as notices,
    ):
        yield database, cache, notices


@asynccontextmanager
async def _open_database(settings: DatabaseSettings) -> AsyncGenerator[Database]:
    """The database, at the schema that this server needs where it may see to that itself."""
    with database_url(settings) as url:
        if settings.migrate_on_start:
            await asyncio.to_thread(migrate_where_behind, settings.direct(url))
        async with open_database(url, settings) as database:
            yield database


@asynccontextmanager
async def _open_doors(settings: Settings, database: Database, tiers: Tiers) -> AsyncGenerator[tuple[Accounts, Access, Limits]]:
    """Who may come in, how, and how often."""
    async with (
        open_accounts(settings, database) as accounts,
        open_access(settings, database, tiers) as access,
        open_limits(tiers, database.pool, settings) as limits,
    ):
        yield accounts, access, limits


@asynccontextmanager
async def _open_background(
    settings: Settings,
    database: Database,
    opening: AbstractAsyncContextManager[BackgroundWork],
    jobs: Mapping[str, Job],
    chores: list[Chore],
) -> AsyncGenerator[tuple[App, Lifecycle, Webhooks]]:
    """The queue, with what the memory, the users' rights and webhooks bring to it."""
    async with (
        opening as remembering,
        lifecycle_on(database, settings) as lifecycle,
        open_webhooks(settings, database.pool) as telling,
    ):
        jobs = {**jobs, **telling.jobs, "remember": by_id(remembering.job), "export_user": by_id(lifecycle.exports.make)}
        chores = [*chores, *remembering.chores, *lifecycle.chores, *telling.chores]
        async with open_queue(database.pool, jobs, chores, patient=LETTERS | SCORES, listens_at=database.direct_url) as queue:
            yield queue, lifecycle, telling.webhooks


def _as_one_owner(pool: Pool, settings: Settings, notices: "RedisNotices | None") -> tuple[TurnTable, EventTable, AttachmentTable, Rows]:
    """This process, by one name in the leases of its runs, and with one way to tell others of their events."""
    owner, lease_seconds, tell = uuid7(), settings.runs.lease_seconds, notices.tell if notices else None
    turns, events = TurnTable(pool, owner=owner, lease_seconds=lease_seconds), EventTable(pool, tell)
    runs, attachments = RunTable(pool, owner=owner, lease_seconds=lease_seconds, tell=tell), attachment_table(pool, settings)
    return turns, events, attachments, Rows(runs=runs, turns=turns, past=BranchTable(pool), events=events, attachments=attachments)


@asynccontextmanager
async def working(services: Services, settings: Settings) -> AsyncGenerator[None]:
    """Do background work, and look at what there is of it, as long as this is open."""
    tasks = [asyncio.create_task(_work_until_stopping(services, settings.worker), name="working")]
    if settings.metrics.are_on:
        sampling = partial(services.watched.sampling.keep_sampling, settings.metrics.sample_seconds)
        tasks.append(asyncio.create_task(kept_up(sampling), name="sampling"))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _work_until_stopping(services: Services, settings: WorkerSettings) -> None:
    """A process that drains begins nothing more; its jobs are found stalled, and by then there is nothing left of them to do."""
    worker = asyncio.create_task(kept_up(partial(work, services.queue, concurrency=settings.concurrency)), name="worker")
    try:
        await services.runs.until_stopping()
    finally:
        worker.cancel()
        await asyncio.wait([worker])


def _forgetting(*holders: ResponseCache | Recall | RecentCheckpoints | OpenTracing | None) -> Forgetting:
    """Drop what this process holds of a user who was erased, or of everybody."""

    def forget(user_id: str | None) -> None:
        for holder in holders:
            if holder:
                holder.forget(user_id)

    return forget


@asynccontextmanager
async def _listening(url: str, office: Office, notices: "RedisNotices | None", forget: Forgetting) -> AsyncGenerator[None]:
    """Hear what other processes write, want stopped and have erased."""

    hear: Mapping[str, Callable[[str], None]] = {
        EVENTS: office.bulletin.tell,
        STOPS: lambda run_id: office.attempts.stop(UUID(run_id)),
        WORK: lambda _: office.work.set(),
        ERASED: forget,
    }

    def deaf() -> None:
        office.bulletin.tell_all()
        forget(None)

    listening = [Ear(url, lambda channel, payload: hear[channel](payload), deaf).listen]
    if notices:
        listening.append(partial(notices.listen, office.bulletin.tell, office.bulletin.tell_all))
    ears = [asyncio.create_task(kept_up(listen), name="ear") for listen in listening]
    try:
        yield
    finally:
        for ear in ears:
            ear.cancel()
        await asyncio.wait(ears)
