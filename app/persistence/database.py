"""Connections: one psycopg pool for the hot paths and the checkpointer, one SQLAlchemy engine for everyday queries."""

import select
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import psycopg
import psycopg_pool
import sqlalchemy.exc
import structlog
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from app.errors import DatabaseRefused, DatabaseUnavailable
from app.settings import DatabaseSettings

type Pool = psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]
type Query = async_sessionmaker[AsyncSession]

# Where a walk through rows in the order of their ids begins.
BEFORE_ALL: Final = UUID(int=0)

log = structlog.get_logger()

_UNREACHABLE: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg_pool.PoolTimeout,
    psycopg_pool.PoolClosed,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    socket.gaierror,
    ConnectionError,
)
# A schema of another time: migrations have not run yet, or those of a later version have.
_STRANGE_SCHEMA: Final = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
_EVERYDAY_CONNECTIONS: Final = 5
# As many again while there is a rush.
EVERYDAY_MOST: Final = 2 * _EVERYDAY_CONNECTIONS
_CONNECTION_LIFE_SECONDS: Final = 1800
# The pool waits twice as long after each failure until it gives up, and begins anew when it is asked: a database is soon found again.
_RECONNECT_SECONDS: Final = 2
_DEAD_PEER_MILLISECONDS: Final = 10_000
_MILLISECONDS: Final = 1_000
# A database that hangs is one that does not answer; and whatever its own time zone, moments come in UTC.
_SESSION: Final = "SET statement_timeout = {}; SET timezone = 'UTC'"
_LONGEST_PAUSE_SECONDS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """`direct_url` is where a connection has a backend to itself."""

    pool: Pool
    query: Query
    direct_url: str


@contextmanager
def database_errors() -> Generator[None]:
    """Raise DatabaseUnavailable when the database cannot be reached, goes away, or has not the schema this server needs.

    Whatever else it says no to is DatabaseRefused.
    """
    try:
        yield
    except _UNREACHABLE as error:
        raise DatabaseUnavailable from error
    except (*_STRANGE_SCHEMA, sqlalchemy.exc.ProgrammingError) as error:
        if not isinstance(getattr(error, "orig", error), _STRANGE_SCHEMA):
            raise _refused(error) from error
        raise DatabaseUnavailable("The database's schema is not the one this server needs.") from error
    except (psycopg.Error, sqlalchemy.exc.SQLAlchemyError) as error:
        raise _refused(error) from error


def is_of_schema(error: DatabaseUnavailable) -> bool:
    """Whether the database does answer, and has not the schema that this server needs."""
    return isinstance(getattr(error.__cause__, "orig", error.__cause__), _STRANGE_SCHEMA)


def _refused(error: Exception) -> DatabaseRefused:
    # The kind only: the words quote the row.
    log.error("database_refused", error=type(getattr(error, "orig", error)).__name__)
    return DatabaseRefused()


@asynccontextmanager
async def open_database(url: str, settings: DatabaseSettings) -> AsyncGenerator[Database]:
    async with _open_pool(url, settings) as pool, _open_engine(url, settings) as engine:
        sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
        yield Database(pool=pool, query=sessions, direct_url=settings.direct(url))


async def patiently[T](seconds: float, do: Callable[[], Awaitable[T]]) -> T:
    """Do it, and again for so long as it fails because the database is away."""
    try:
        return await do()  # as a rule, and then without the cost of being ready to try again
    except DatabaseUnavailable:
        again = AsyncRetrying(
            retry=retry_if_exception_type(DatabaseUnavailable),
            wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_PAUSE_SECONDS),
            stop=stop_after_delay(seconds),
            reraise=True,
        )
        return await again(do)


async def fetch_all(pool: Pool, statement: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    """The rows of one statement on a connection of its own; raise DatabaseUnavailable or DatabaseRefused."""
    with database_errors():
        async with pool.connection() as connection:
            return await (await connection.execute(statement, values)).fetchall()


async def execute(pool: Pool, statement: str, values: Mapping[str, object]) -> int:
    """Return how many rows it was about; raise DatabaseUnavailable or DatabaseRefused."""
    with database_errors():
        async with pool.connection() as connection:
            return (await connection.execute(statement, values)).rowcount


def sqlalchemy_url(url: str) -> str:
    """The same address for SQLAlchemy, which picks the driver by the scheme."""
    _, _, address = url.partition("://")
    return f"postgresql+psycopg://{address}"


@asynccontextmanager
async def _open_pool(url: str, settings: DatabaseSettings) -> AsyncGenerator[Pool]:
    pool: Pool = psycopg_pool.AsyncConnectionPool(
        url,
        connection_class=psycopg.AsyncConnection[DictRow],
        kwargs={"row_factory": dict_row, **_connecting(settings)},
        configure=partial(_configure, statement_seconds=settings.statement_seconds),
        check=_check,
        min_size=2,
        max_size=settings.pool_size,
        timeout=settings.connect_seconds,
        max_lifetime=_CONNECTION_LIFE_SECONDS,
        reconnect_timeout=_RECONNECT_SECONDS,
        open=False,
    )
    try:
        with database_errors():
            await pool.open(wait=True, timeout=settings.connect_seconds)
        yield pool
    finally:
        # Also when the wait is cancelled: what connects meanwhile would go on, and hold up the end of the loop for ever.
        await pool.close()


def _connecting(settings: DatabaseSettings) -> dict[str, Any]:
    # Behind a pool by transaction a statement would be prepared with one backend, and asked of another.
    unprepared = {"prepare_threshold": None} if settings.is_pooled else {}
    return {"tcp_user_timeout": _DEAD_PEER_MILLISECONDS, **unprepared}


async def _check(connection: psycopg.AsyncConnection[DictRow]) -> None:
    """Ask the database whether it is still there, unless the connection is silent: one that was closed has its end to tell."""
    silent = select.poll()
    silent.register(connection.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
    if silent.poll(0):
        await psycopg_pool.AsyncConnectionPool.check_connection(connection)


async def _configure(connection: psycopg.AsyncConnection[DictRow], statement_seconds: float) -> None:
    # In the pool's `kwargs` autocommit would crash the queue's listener, which shares this pool.
    await connection.set_autocommit(True)
    await connection.execute(sql.SQL(_SESSION).format(int(statement_seconds * _MILLISECONDS)))


@asynccontextmanager
async def _open_engine(url: str, settings: DatabaseSettings) -> AsyncGenerator[AsyncEngine]:
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=_EVERYDAY_CONNECTIONS,
        max_overflow=EVERYDAY_MOST - _EVERYDAY_CONNECTIONS,
        pool_timeout=settings.connect_seconds,
        pool_recycle=_CONNECTION_LIFE_SECONDS,
        pool_pre_ping=True,
        connect_args=_connecting(settings),
    )

    # In a transaction of its own, or the first rollback would take it back.
    def bound(connection: DBAPIConnection, _: object) -> None:
        connection.cursor().execute(_SESSION.format(int(settings.statement_seconds * _MILLISECONDS)))
        connection.commit()

    sqlalchemy.event.listen(engine.sync_engine, "connect", bound)
    try:
        yield engine
    finally:
        await engine.dispose()
