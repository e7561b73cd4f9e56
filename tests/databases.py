"""Databases of a test's own, in the Postgres that all tests share."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
from psycopg import sql

_EMPTY = "template1"


@contextmanager
def new_database(postgres: str, name: str, *, template: str = _EMPTY) -> Iterator[str]:
    """Its address, until it is dropped with all who are still connected."""
    known = sql.Identifier(name)
    with psycopg.connect(address_of(postgres, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(known, sql.Identifier(template)))
        try:
            yield address_of(postgres, name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(known))


def address_of(postgres: str, name: str) -> str:
    return postgres.replace("/milepost?", f"/{quote(name)}?")
