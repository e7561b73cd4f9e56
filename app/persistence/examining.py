"""What a look at a database tells an operator. It changes nothing, and makes no database that is not there."""

import asyncio
import math
import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from app.errors import DatabaseUnavailable
from app.persistence.database import Pool, fetch_all
from app.persistence.embedded import conninfo
from app.persistence.embedder_in_use import IN_USE
from app.settings import DatabaseSettings

_LEAST_CONNECT_SECONDS: Final = 2  # libpq takes no less
_LISTENERS: Final = 2
_PORT: Final = 5432
_PORT_OR_NONE: Final = re.compile(r"(?:[1-9]\d{0,4})?")
_MISREAD: Final = (
    "cannot be meant as it reads: its port is a number, and what in its password is a / is written %2F there, an @ %40, a % %25."
)
_VERSION: Final = "SELECT current_setting('server_version') AS version"
_NOW: Final = "SELECT clock_timestamp() AS now"
_VECTOR: Final = "SELECT installed_version, default_version FROM pg_available_extensions WHERE name = 'vector'"
_TABLES: Final = "SELECT to_regclass('memory_embedder') IS NOT NULL AND to_regclass('memory') IS NOT NULL AS are_there"
_NAMED: Final = "SELECT FROM pg_database WHERE datname = %s"
# What is kept back for superusers and the like is nobody's else. A setting that an older Postgres has not counts as nothing.
_ROOM: Final = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int AS most,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())::int AS used
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Connections that the database lets servers have, and how many are in use now."""

    most: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """Versions; `installed` is None where it is not in this database, `available` where its files are not on the machine."""

    installed: str | None
    available: str | None


class Examination:
    """Every look raises DatabaseUnavailable or DatabaseRefused."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def version(self) -> tuple[str, float]:
        """The server's, and how many seconds it took to say so."""
        began = time.monotonic()
        [row] = await fetch_all(self._pool, _VERSION, {})
        return str(row["version"]), time.monotonic() - began

    async def room(self) -> Room:
        [row] = await fetch_all(self._pool, _ROOM, {})
        return Room(**row)

    async def pgvector(self) -> Extension:
        rows = await fetch_all(self._pool, _VECTOR, {})
        return Extension(installed=rows[0]["installed_version"], available=rows[0]["default_version"]) if rows else _NO_EXTENSION

    async def seconds_ahead(self) -> float:
        """By how much the database's clock is ahead of ours; both ways count as equally long."""
        before = datetime.now(UTC)
        [row] = await fetch_all(self._pool, _NOW, {})
        here: datetime = before + (datetime.now(UTC) - before) / 2
        there: datetime = row["now"]
        return (there - here).total_seconds()

    async def embedder(self) -> str | None:
        """The name of the embedder whose vectors the memories have; None when nothing is remembered."""
        [tables] = await fetch_all(self._pool, _TABLES, {})
        rows = await fetch_all(self._pool, IN_USE, {}) if tables["are_there"] else []
        return str(rows[0]["name"]) if rows else None


_NO_EXTENSION: Final = Extension(installed=None, available=None)


def connections_of_process(settings: DatabaseSettings) -> int:
    """How many one server or worker opens at the most: the pool's, one to listen on, and to work one to hear of jobs."""
    return settings.pool_size + _LISTENERS


async def reach(url: str, seconds: float, name: str) -> None:
    """Connect once; raise DatabaseUnavailable in words that say what is in the way of the variable `name`, and none of which is its own."""
    address = conninfo_to_dict(conninfo(url, name))
    if not await _lets_in(url, seconds):
        raise DatabaseUnavailable(await _in_the_way(url, address, seconds, name))


async def _lets_in(url: str, seconds: float) -> bool:
    try:
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=_whole(seconds))
    except psycopg.Error:
        return False
    await connection.close()
    return True


async def _in_the_way(url: str, address: dict[str, str | int | None], seconds: float, name: str) -> str:
    """libpq tells one failure from another by words in the server's language only, so it is looked for from outside."""
    if _is_misread(address):
        return f"{name} {_MISREAD}"
    if problem := await _no_way_to(str(address.get("host") or ""), int(str(address.get("port") or _PORT).partition(",")[0])):
        return problem
    if await _has_no_database(url, str(address.get("dbname") or ""), seconds):
        return f"The database server answers, and has no database of the name in {name}."
    return "The database server answers and lets us not in: the user, the password, TLS, or its pg_hba.conf; its own log says which."


def _is_misread(address: dict[str, str | int | None]) -> bool:
    """Whether the host, the port or the name have a part of the password, by the look of them; they are then not to be told."""
    ports = str(address.get("port") or _PORT).split(",")
    return any("@" in str(address.get(name)) for name in ("host", "dbname")) or not all(map(_PORT_OR_NONE.fullmatch, ports))


async def _no_way_to(host: str, port: int) -> str:
    """Empty where something listens, and for what is no single host of TCP."""
    if not host or host.startswith("/") or "," in host:
        return ""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        # Only the kernel's errors have a number of its own: a name that cannot be looked up has none, nor have several at once.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else type(error).__name__
        return f"Nothing can be reached at port {port} of {host} ({why})."
    writer.close()
    return ""


async def _has_no_database(url: str, name: str, seconds: float) -> bool:
    connecting = psycopg.AsyncConnection.connect(url, connect_timeout=_whole(seconds), dbname="postgres", autocommit=True)
    try:
        async with await connecting as connection:
            return await (await connection.execute(_NAMED, [name])).fetchone() is None
    except psycopg.Error:
        return False


def _whole(seconds: float) -> int:
    return max(_LEAST_CONNECT_SECONDS, math.ceil(seconds))
