"""Open every part in order, join them, and close them in reverse: the only module that knows them all."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from uuid_utils.compat import uuid7

from app.accounts.passwords import Passwords
from app.accounts.secrets import development_secret
from app.accounts.tokens import Tokens
from app.accounts.users import Users
from app.agent.graph import build_agent
from app.agent.memory import NoMemory
from app.agent.tools import TOOLS
from app.llm.models import Models, open_models
from app.persistence import migrate
from app.persistence.address import database_url
from app.persistence.checkpointer import PooledPostgresSaver
from app.persistence.database import open_database
from app.persistence.health import DatabaseHealth
from app.persistence.runs import RunTable
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.runs.service import Runs, open_runs
from app.runs.sessions import Sessions
from app.runs.walk import Means
from app.settings import AccountSettings, DatabaseSettings, Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The open parts, joined; what `main`, evals and scripts work with."""

    users: Users
    sessions: Sessions
    runs: Runs
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
        means = Means(
            agent=build_agent(PooledPostgresSaver(database.pool)),
            models=models,
            memory=NoMemory(),
            runs=settings.runs,
            tools=settings.tools,
        )
        store = RunTable(database.pool, owner=uuid7(), lease_seconds=settings.runs.lease_seconds)
        runs = await stack.enter_async_context(open_runs(means, store))
        yield Services(
            users=_users(settings.accounts, settings.database, UserTable(database)),
            sessions=Sessions(SessionTable(database), runs),
            runs=runs,
            models=models,
            schema=DatabaseHealth(database.pool),
        )


def _users(settings: AccountSettings, database: DatabaseSettings, table: UserTable) -> Users:
    secret = settings.jwt_secret_key
    if not secret.get_secret_value():
        secret = development_secret(database.data_dir)
    tokens = Tokens(secret, timedelta(minutes=settings.access_token_minutes))
    return Users(table, Passwords(settings.parallel_hashes), tokens)
