"""The Postgres beneath a target, and how much is in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from psycopg import sql

from app.persistence.embedded import embedded_postgres
from benchmarks.processes import postgres_under

_STOP_SECONDS: Final = 15
_ROW_HEADER_BYTES: Final = 28
_WRITTEN: Final = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8"
_COLUMNS: Final = """
    SELECT format('%I.%I', n.nspname, c.relname), array_agg(quote_ident(a.attname))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema)' AND a.attnum > 0 AND NOT a.attisdropped
     GROUP BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    url: str
    process: psutil.Process

    def kept_and_written_bytes(self) -> tuple[float, float]:
        """What all rows take as they are stored, compressed and wherever they lie, without indexes; and the write-ahead log since ever.

        Rows and not files: a file keeps the room of what was deleted, and grows by pages.
        """
        with psycopg.connect(self.url, autocommit=True) as connection:
            written = _one_number(connection, sql.SQL(_WRITTEN))
            return sum(_kept_bytes(connection).values()), written

    def kept_bytes(self) -> Mapping[str, float]:
        """The same by table."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return _kept_bytes(connection)


def _kept_bytes(connection: "psycopg.Connection[Any]") -> Mapping[str, float]:
    tables = connection.execute(_COLUMNS).fetchall()
    return {table: _one_number(connection, _bytes_of(table, columns)) for table, columns in tables}


def _bytes_of(table: str, columns: list[str]) -> sql.SQL:
    # Column by column, for a whole row would be fetched and put together first.
    sizes = " + ".join(f"coalesce(pg_column_size({column}), 0)" for column in columns)
    return sql.SQL(f"SELECT coalesce(sum({sizes} + {_ROW_HEADER_BYTES}), 0)::float8 FROM {table}")  # noqa: S608  # quoted names


def _one_number(connection: "psycopg.Connection[tuple[float]]", statement: sql.SQL) -> float:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


@contextmanager
def start_database(folder: Path) -> Iterator[Database]:
    """An embedded Postgres as `python -m app serve` has it, which whoever is given this folder shares; it stops with the block."""
    with embedded_postgres(folder) as url:
        database = Database(url=url, process=postgres_under(folder))
        yield database
    psutil.wait_procs([database.process], timeout=_STOP_SECONDS)
