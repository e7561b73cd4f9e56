"""A pooler between us and the database: pgbouncer and its like, which may lend a backend for one transaction only."""

from typing import Final

import psycopg

from app.errors import SettingsInvalid
from app.persistence.database import database_errors

_CONNECT_SECONDS: Final = 5
# Of a backend that is free again any client may be faster than our second connection.
_MOST_LOOKS: Final = 20
_BACKEND: Final = "SELECT pg_backend_pid()"


def refuse_shared_backends(url: str, name: str) -> None:
    """Raise SettingsInvalid for the variable `name` where a connection to `url` has no backend to itself, and DatabaseUnavailable.

    What a session has, such as LISTEN or a lock, would be lost or another's there, and nobody would be told.
    """
    with database_errors(), _connected(url) as first:
        if not _is_pooled(first):
            return
        with _connected(url) as second:
            if any(_are_lent(first, second) for _ in range(_MOST_LOOKS)):
                raise SettingsInvalid(f"{name}: {_REMEDIES[name]}")


_REMEDIES: Final = {
    "DATABASE_URL": (
        "is a pool by transaction, through which no notices and no locks of a session come: "
        "set DATABASE_DIRECT_URL to the database itself, or to a pool by session."
    ),
    "DATABASE_DIRECT_URL": "is a pool by transaction itself: it must be the database, or a pool by session.",
}


def _connected(url: str) -> "psycopg.Connection[tuple[int]]":
    return psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS, prepare_threshold=None)


def _is_pooled(connection: "psycopg.Connection[tuple[int]]") -> bool:
    """Whether who let us in is another than who answers: a pooler says a number of its own."""
    return connection.pgconn.backend_pid != _backend(connection)


def _are_lent(first: "psycopg.Connection[tuple[int]]", second: "psycopg.Connection[tuple[int]]") -> bool:
    """Whether one backend answers both, or two answer the first: a pooler may give each of its backends a turn."""
    before, after, other = _backend(first), _backend(first), _backend(second)
    return before != after or after == other


def _backend(connection: "psycopg.Connection[tuple[int]]") -> int:
    ((backend,),) = connection.execute(_BACKEND)
    return backend
