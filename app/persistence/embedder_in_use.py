"""Whose vectors are kept, asked before the server is there: with psycopg alone, for the rest takes long to import."""

from typing import Final

import psycopg

from app.errors import DatabaseUnavailable

_CONNECT_SECONDS: Final = 10
IN_USE: Final = "SELECT name FROM memory_embedder WHERE EXISTS (SELECT FROM memory)"


def embedder_in_use(url: str) -> str | None:
    """The name of the embedder whose vectors the memories have; None when nothing is remembered. Raise DatabaseUnavailable."""
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
            row = connection.execute(IN_USE).fetchone()
    except psycopg.errors.UndefinedTable:  # of a schema that is yet to be made
        return None
    except psycopg.Error as error:
        raise DatabaseUnavailable from error
    return str(row[0]) if row else None
