"""Connections: one psycopg pool for all that a process asks, the checkpointer and the queue included."""

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
import structlog
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from app.errors import DatabaseRefused, DatabaseUnavailable
from app.settings import DatabaseSettings

type Pool = psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]

# Where a walk through rows in the order of their ids begins.
BEFORE_ALL: Final = UUID(int=0)
# And where one begins that goes back.
AFTER_ALL: Final = UUID(int=2**128 - 1)

log = structlog.get_logger()

_UNREACHABLE: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg_pool.PoolTimeout,
    psycopg_pool.PoolClosed,
    socket.gaierror,
    ConnectionError,
)
# A schema of another time: migrations have not run yet, or those of a later version have.
_STRANGE_SCHEMA: Final = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
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
    except _STRANGE_SCHEMA as error:
        raise DatabaseUnavailable("The database's schema is not the one this server needs.") from error
    except psycopg.Error as error:
        raise _refused(error) from error


def _refused(error: psycopg.Error) -> DatabaseRefused:
    # The kind only: the words quote the row.
    log.error("database_refused", error=type(error).__name__)
    return DatabaseRefused()


def is_of_schema(error: DatabaseUnavailable) -> bool:
    """Whether the database does answer, and has not the schema that this server needs."""
    return isinstance(error.__cause__, _STRANGE_SCHEMA)


@asynccontextmanager
async def open_database(url: str, settings: DatabaseSettings) -> AsyncGenerator[Database]:
    async with _open_pool(url, settings) as pool:
        yield Database(pool=pool, direct_url=settings.direct(url))


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
        return await (await _asked(pool, statement, values)).fetchall()


async def execute(pool: Pool, statement: str, values: Mapping[str, object]) -> int:
    """Return how many rows it was about; raise DatabaseUnavailable or DatabaseRefused."""
    with database_errors():
        return (await _asked(pool, statement, values)).rowcount


async def _asked(pool: Pool, statement: str, values: Mapping[str, object]) -> psycopg.AsyncCursor[DictRow]:
    """With its result, which is here when the connection goes back.

    Not by `pool.connection`, which asks for a commit of what is committed already.
    """
    connection = await pool.getconn()
    try:
        return await connection.execute(statement, values)
    finally:
        await pool.putconn(connection)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncGenerator[psycopg.AsyncConnection[DictRow]]:
    """A connection for several statements of which all hold or none; raise DatabaseUnavailable or DatabaseRefused."""
    with database_errors():
        async with pool.connection() as connection, connection.transaction():
            yield connection


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
    # At once, for a turn's statements are few and long. Never behind a pool by transaction, where what one backend has prepared would be
    # asked of another.
    return {"tcp_user_timeout": _DEAD_PEER_MILLISECONDS, "prepare_threshold": None if settings.is_pooled else 0}


async def _check(connection: psycopg.AsyncConnection[DictRow]) -> None:
    """Ask the database whether it is still there, unless the connection is silent: one that was closed has its end to tell."""
    silent = select.poll()
    silent.register(connection.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
    if silent.poll(0):
        await psycopg_pool.AsyncConnectionPool.check_connection(connection)


async def _configure(connection: psycopg.AsyncConnection[DictRow], statement_seconds: float) -> None:
    # In the pool's `kwargs` autocommit would crash the queue's listener, which shares this pool.
    await connection.set_autocommit(True)
    await connection.execute(sql.SQL(_SESSION).format(int(statement_seconds * _MILLISECONDS)), prepare=False)  # two cannot be
