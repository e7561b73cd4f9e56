"""What a database holds: its tables with the rows of each, and the revision of its schema."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql

from app.persistence.database import database_errors
from app.persistence.embedded import conninfo

# Tables, views, sequences, functions and types that are nobody's extension's.
_OURS: Final = """
    n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = c.tableoid AND d.deptype = 'e')
"""
_TABLES: Final = f"""
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND {_OURS} ORDER BY 1, 2
"""
_IS_EMPTY: Final = f"""
SELECT NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS})
"""
_OTHERS: Final = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_HAS_REVISION: Final = "SELECT to_regclass('alembic_version') IS NOT NULL"
# Of one kind after the other, for what goes with another is no longer there when its turn comes.
_EMPTY: Final = f"""
DO $$ DECLARE one record; BEGIN
FOR one IN
    SELECT 1 AS turn, format('DROP TABLE IF EXISTS %%I.%%I CASCADE', n.nspname, c.relname) AS statement
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND {_OURS}
    UNION ALL SELECT 2, format('DROP VIEW IF EXISTS %%I.%%I CASCADE', n.nspname, c.relname)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'v' AND {_OURS}
    UNION ALL SELECT 3, format('DROP SEQUENCE IF EXISTS %%I.%%I CASCADE', n.nspname, c.relname)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND {_OURS}
    UNION ALL SELECT 4, format('DROP ROUTINE IF EXISTS %%s CASCADE', c.oid::regprocedure)
      FROM pg_proc c JOIN pg_namespace n ON n.oid = c.pronamespace WHERE {_OURS}
    UNION ALL SELECT 5, format('DROP TYPE IF EXISTS %%I.%%I CASCADE', n.nspname, c.typname)
      FROM pg_type c JOIN pg_namespace n ON n.oid = c.typnamespace
     WHERE (c.typtype IN ('e', 'd') OR c.typtype = 'c' AND c.typrelid IN (SELECT oid FROM pg_class WHERE relkind = 'c')) AND {_OURS}
     ORDER BY turn
LOOP EXECUTE one.statement; END LOOP; END $$
"""

type Connection = psycopg.Connection[tuple[object, ...]]


@contextmanager
def connected(url: str) -> Generator[Connection]:
    """Without an end to what a statement may take, for it is about all that there is; raise DatabaseUnavailable."""
    with database_errors(), psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '60s'")
        yield connection


def counts(connection: Connection) -> dict[str, int]:
    """The rows of each table."""
    return {".".join(map(str, table)): _count(connection, *map(str, table)) for table in connection.execute(_TABLES, {}).fetchall()}


def revision(connection: Connection) -> str:
    """Empty where there is no schema."""
    if not _one(connection, _HAS_REVISION):
        return ""
    return str(_one(connection, "SELECT version_num FROM alembic_version") or "")


def is_empty(connection: Connection) -> bool:
    return bool(_one(connection, _IS_EMPTY))


def others(connection: Connection) -> int:
    """How many other clients are connected to this database."""
    return int(str(_one(connection, _OTHERS)))


def empty(connection: Connection) -> None:
    """Drop all tables and what belongs to them; extensions stay, for our role may be one that cannot make them anew."""
    connection.execute(_EMPTY, {})


def version(connection: Connection) -> int:
    """The server's, as 18."""
    return connection.info.server_version // 10_000


def _count(connection: Connection, schema: str, table: str) -> int:
    return int(str(_one(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table)))))


def _one(connection: Connection, statement: str | sql.Composed) -> object:
    row = connection.execute(statement.encode() if isinstance(statement, str) else statement, {}).fetchone()
    return row[0] if row else None
