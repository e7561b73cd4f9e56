"""Open every part in order, join them, and close them in reverse: the only module that knows them all."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from procrastinate import App
from uuid_utils.compat import uuid7

from app.accounts.passwords import Passwords
from app.accounts.secrets import development_secret
from app.accounts.tokens import Tokens
from app.accounts.users import Users
from app.agent.graph import Agent, build_agent
from app.agent.memory import NoMemory
from app.errors import SettingsInvalid
from app.llm.kept_answers import AnswersInMemory
from app.llm.models import Models, open_models
from app.llm.response_cache import ResponseCache
from app.llm.words_embedder import WordsEmbedder
from app.persistence import migrate
from app.persistence.address import database_url
from app.persistence.branches import BranchTable
from app.persistence.channels import EVENTS, STOPS, WORK, Ear
from app.persistence.checkpointer import FencedSaver, PooledPostgresSaver
from app.persistence.checkpoints import CheckpointTable
from app.persistence.database import Pool, open_database
from app.persistence.events import EventTable
from app.persistence.extraction import open_extraction
from app.persistence.health import DatabaseHealth
from app.persistence.interrupts import InterruptTable
from app.persistence.ledger import LedgerTable
from app.persistence.queue import Chore, Job, open_queue, work
from app.persistence.redis_answers import open_redis_answers
from app.persistence.redis_notices import RedisNotices, open_redis_notices
from app.persistence.remembering import RememberingTable
from app.persistence.runs import RunTable
from app.persistence.sessions import SessionTable
from app.persistence.tool_starts import ToolStarts
from app.persistence.turns import TurnTable
from app.persistence.users import UserTable
from app.persistence.values import TakenRun
from app.runs.chores import forget_events, kept_up, name_session, prune_checkpoints
from app.runs.ledger import Ledger
from app.runs.opening import Office, Rows, open_runs
from app.runs.questions import Questions
from app.runs.remembering import Remembering
from app.runs.service import Runs
from app.runs.sessions import Sessions
from app.runs.tail import Tails
from app.runs.walk import Bench, Means
from app.settings import (
    AccountSettings,
    CacheSettings,
    ContextSettings,
    DatabaseSettings,
    RedisSettings,
    RunSettings,
    Settings,
    WorkerSettings,
)

_SECONDS_PER_HOUR: Final = 3600
_EXTRACTION_THREADS: Final = 4
_EVERY_THREE_SECONDS: Final = "* * * * * */3"
_EVERY_TEN_SECONDS: Final = "* * * * * */10"
_EVERY_MINUTE: Final = "* * * * *"
_EVERY_TEN_MINUTES: Final = "*/10 * * * *"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The open parts, joined; what `main`, `cli`, evals and scripts work with."""

    users: Users
    sessions: Sessions
    runs: Runs
    questions: Questions
    ledger: Ledger
    tails: Tails
    models: Models
    schema: DatabaseHealth
    notices: RedisNotices | None
    queue: App


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """Raise SettingsInvalid, DatabaseUnavailable or MigrationFailed; leaving ends live runs first and the database last."""
    async with AsyncExitStack() as stack:
        models = await stack.enter_async_context(_open_models(settings))
        url = stack.enter_context(database_url(settings.database))
        if settings.database.migrate_on_start:
            await asyncio.to_thread(migrate.up, url)
        database = await stack.enter_async_context(open_database(url, settings.database))
        cache = await stack.enter_async_context(_open_response_cache(settings.cache, settings.redis))
        notices = await stack.enter_async_context(open_redis_notices(settings.redis))
        sessions = SessionTable(database)
        events = EventTable(database.pool, notices.tell if notices else None)
        turns, runs = _as_one_owner(database.pool, settings.runs.lease_seconds, notices)
        rows = Rows(runs=runs, turns=turns, past=BranchTable(database.pool), events=events)
        means = Means(memory=NoMemory(), names=sessions, runs=settings.runs, tools=settings.tools, context=settings.context, cache=cache)
        agent = build_agent(PooledPostgresSaver(database.pool), recalls=not isinstance(means.memory, NoMemory))
        bench_of = _bench_of(agent, database.pool, settings.runs)
        office = await stack.enter_async_context(open_runs(means, models, agent, bench_of, rows))
        await stack.enter_async_context(_listening(url, office, notices))
        ledger = Ledger(LedgerTable(database.pool))
        questions = Questions(InterruptTable(database.pool), turns, office.runs, office.tails)
        naming = partial(name_session, sessions, models, ledger, settings.worker, cache=cache)
        remembering = await stack.enter_async_context(_open_remembering(settings, database.pool, models, ledger))
        jobs = {"make_run": _by_id(office.runs.make), "name_session": _by_id(naming), "remember": _by_id(remembering.remember)}
        chores = [*_chores(settings.runs, questions, turns, events), _pruning(settings.context, CheckpointTable(database.pool))]
        chores.append(Chore(name="queue_remembering", cron=_EVERY_THREE_SECONDS, do=remembering.queue_due))
        queue = await stack.enter_async_context(open_queue(database.pool, jobs, chores))
        yield Services(
            users=_users(settings.accounts, settings.database, UserTable(database)),
            sessions=Sessions(sessions, BranchTable(database.pool), office.runs),
            runs=office.runs,
            questions=questions,
            ledger=ledger,
            tails=office.tails,
            models=models,
            schema=DatabaseHealth(database.pool),
            notices=notices,
            queue=queue,
        )


def _as_one_owner(pool: Pool, lease_seconds: float, notices: RedisNotices | None) -> tuple[TurnTable, RunTable]:
    """This process, by one name in the leases of its runs."""
    owner = uuid7()
    turns = TurnTable(pool, owner=owner, lease_seconds=lease_seconds)
    return turns, RunTable(pool, owner=owner, lease_seconds=lease_seconds, tell=notices.tell if notices else None)


@asynccontextmanager
async def working(services: Services, settings: WorkerSettings) -> AsyncGenerator[None]:
    """Do background work, as long as this is open."""
    working = asyncio.create_task(_work_until_stopping(services, settings), name="working")
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait([working])


async def _work_until_stopping(services: Services, settings: WorkerSettings) -> None:
    """A process that drains begins nothing more; its jobs are found stalled, and by then there is nothing left of them to do."""
    worker = asyncio.create_task(kept_up(partial(work, services.queue, concurrency=settings.concurrency)), name="worker")
    try:
        await services.runs.until_stopping()
    finally:
        worker.cancel()
        await asyncio.wait([worker])


def _bench_of(agent: Agent, pool: Pool, settings: RunSettings) -> Callable[[TakenRun], Bench]:
    """What an attempt works with: its checkpoints are written only while it holds the run, and begin where the run does."""

    def bench(run: TakenRun) -> Bench:
        begin_at = run.checkpoint or run.from_checkpoint
        seconds = {"patience_seconds": settings.lease_seconds, "pause_seconds": settings.event_flush_ms / 1_000}
        saver = FencedSaver(pool, run.id, run.attempt, begin_at, **seconds)
        starts = ToolStarts(pool, run.id, run.attempt, settings.lease_seconds, saver.flush)
        return Bench(agent=agent.copy(update={"checkpointer": saver}), place=saver, starts=starts)

    return bench


def _by_id(job: Callable[[UUID], Awaitable[None]]) -> Job:
    """A job whose one argument is an id, under whatever name."""

    async def do(**arguments: str) -> None:
        (about,) = arguments.values()
        await job(UUID(about))

    return do


def _chores(settings: RunSettings, questions: Questions, turns: TurnTable, events: EventTable) -> list[Chore]:
    kept_seconds = settings.event_hours * _SECONDS_PER_HOUR
    return [
        Chore(name="expire_questions", cron=_EVERY_TEN_SECONDS, do=questions.expire),
        Chore(name="requeue_runs", cron=_EVERY_MINUTE, do=turns.requeue),
        Chore(name="forget_events", cron=_EVERY_TEN_MINUTES, do=partial(forget_events, events, kept_seconds)),
    ]


def _pruning(settings: ContextSettings, checkpoints: CheckpointTable) -> Chore:
    prune = partial(prune_checkpoints, checkpoints, settings.checkpoints_kept)
    return Chore(name="prune_checkpoints", cron=_EVERY_TEN_MINUTES, do=prune)


@asynccontextmanager
async def _open_models(settings: Settings) -> AsyncGenerator[Models]:
    async with open_models(settings.models, settings.model_keys) as models:
        if (name := settings.remembering.model) and name not in models:
            raise SettingsInvalid(f"MEMORY_MODEL: {name} is not in models.yaml, or its key is not set.")
        yield models


@asynccontextmanager
async def _open_remembering(settings: Settings, pool: Pool, models: Models, ledger: Ledger) -> AsyncGenerator[Remembering]:
    async with open_extraction(settings.database.data_dir / "mem0", threads=_EXTRACTION_THREADS) as extraction:
        yield Remembering(
            store=RememberingTable(pool),
            models=models,
            ledger=ledger,
            embedder=WordsEmbedder(),
            extraction=extraction,
            settings=settings.remembering,
        )


@asynccontextmanager
async def _open_response_cache(settings: CacheSettings, redis: RedisSettings) -> AsyncGenerator[ResponseCache | None]:
    if not settings.is_on:
        yield None
        return
    async with open_redis_answers(redis, settings.seconds) as answers:
        yield ResponseCache(answers or AnswersInMemory(seconds=settings.seconds, entries=settings.entries, most_bytes=settings.most_bytes))


@asynccontextmanager
async def _listening(url: str, office: Office, notices: RedisNotices | None) -> AsyncGenerator[None]:
    """Hear what other processes write and want stopped."""

    def heard(channel: str, payload: str) -> None:
        if channel == EVENTS:
            office.bulletin.tell(payload)
        elif channel == STOPS:
            office.attempts.stop(UUID(payload))
        elif channel == WORK:
            office.work.set()

    listening = [Ear(url, heard, office.bulletin.tell_all).listen]
    if notices:
        listening.append(partial(notices.listen, office.bulletin.tell, office.bulletin.tell_all))
    ears = [asyncio.create_task(kept_up(listen), name="ear") for listen in listening]
    try:
        yield
    finally:
        for ear in ears:
            ear.cancel()
        await asyncio.wait(ears)


def _users(settings: AccountSettings, database: DatabaseSettings, table: UserTable) -> Users:
    secret = settings.jwt_secret_key
    if not secret.get_secret_value():
        secret = development_secret(database.data_dir)
    tokens = Tokens(secret, timedelta(minutes=settings.access_token_minutes))
    return Users(table, Passwords(settings.parallel_hashes), tokens)
