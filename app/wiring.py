"""Open every part in order, join them, and close them in reverse: the only module that knows them all."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from app.accounts.passwords import Passwords
from app.accounts.secrets import development_secret
from app.accounts.tokens import Tokens
from app.accounts.users import Users
from app.agent.graph import Agent, build_agent
from app.agent.memory import NoMemory
from app.agent.tools import TOOLS
from app.llm.models import Models, open_models
from app.persistence import migrate
from app.persistence.address import database_url
from app.persistence.channels import EVENTS, STOPS, Ear
from app.persistence.checkpointer import FencedSaver, PooledPostgresSaver
from app.persistence.database import Pool, open_database
from app.persistence.events import EventTable
from app.persistence.health import DatabaseHealth
from app.persistence.runs import RunTable
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.runs.opening import Office, open_runs
from app.runs.service import Runs
from app.runs.sessions import Sessions
from app.runs.tail import Tails
from app.runs.walk import Means
from app.settings import AccountSettings, DatabaseSettings, Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The open parts, joined; what `main`, evals and scripts work with."""

    users: Users
    sessions: Sessions
    runs: Runs
    tails: Tails
    models: Models
    schema: DatabaseHealth


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """Raise SettingsInvalid, DatabaseUnavailable or MigrationFailed; leaving ends live runs first and the database last."""
    async with AsyncExitStack() as stack:
        models = await stack.enter_async_context(open_models(settings.models, settings.model_keys, TOOLS))
        url = stack.enter_context(database_url(settings.database))
        if settings.database.migrate_on_start:
            await asyncio.to_thread(migrate.up, url)
        database = await stack.enter_async_context(open_database(url, settings.database))
        means = Means(memory=NoMemory(), runs=settings.runs, tools=settings.tools)
        store = RunTable(database.pool, owner=uuid7(), lease_seconds=settings.runs.lease_seconds)
        agent_of = _fenced(build_agent(PooledPostgresSaver(database.pool)), database.pool)
        office = await stack.enter_async_context(open_runs(means, models, agent_of, store, EventTable(database.pool)))
        await stack.enter_async_context(_listening(url, office))
        yield Services(
            users=_users(settings.accounts, settings.database, UserTable(database)),
            sessions=Sessions(SessionTable(database), office.runs),
            runs=office.runs,
            tails=office.tails,
            models=models,
            schema=DatabaseHealth(database.pool),
        )


def _fenced(agent: Agent, pool: Pool) -> Callable[[UUID, int], Agent]:
    """The agent for one attempt at a run: its checkpoints are written only while the attempt holds the run."""
    return lambda run_id, attempt: agent.copy(update={"checkpointer": FencedSaver(pool, run_id, attempt)})


@asynccontextmanager
async def _listening(url: str, office: Office) -> AsyncGenerator[None]:
    """Hear what other processes write and want stopped."""

    def heard(channel: str, payload: str) -> None:
        if channel == EVENTS:
            office.bulletin.tell(payload)
        elif channel == STOPS:
            office.attempts.stop(UUID(payload))

    ear = asyncio.create_task(Ear(url, heard, office.bulletin.tell_all).listen(), name="ear")
    try:
        yield
    finally:
        ear.cancel()


def _users(settings: AccountSettings, database: DatabaseSettings, table: UserTable) -> Users:
    secret = settings.jwt_secret_key
    if not secret.get_secret_value():
        secret = development_secret(database.data_dir)
    tokens = Tokens(secret, timedelta(minutes=settings.access_token_minutes))
    return Users(table, Passwords(settings.parallel_hashes), tokens)
