"""A database that goes away while a test looks on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

_THROW_OUT: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


@contextmanager
def gone(database_url: str) -> Iterator[None]:
    """Throw everybody out of the database, and let nobody in."""
    name = str(conninfo_to_dict(database_url)["dbname"])
    admitting = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(database_url, dbname="postgres", autocommit=True) as connection:
        connection.execute(admitting.format(sql.Identifier(name), sql.Literal(False)))
        connection.execute(_THROW_OUT, (name,))
        yield
        connection.execute(admitting.format(sql.Identifier(name), sql.Literal(True)))
