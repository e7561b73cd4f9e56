"""Migrate as a server starts, in a process of its own: what it takes to change a schema is as large as a tenth of a server."""

import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from procrastinate.schema import SchemaManager

from app.errors import MigrationFailed
from app.persistence.database import database_errors
from app.persistence.revisions import head

# Which of the queue's files were applied last stands in the comment of its table; no row when there is no such table yet.
QUEUE_VERSION: Final = "SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE oid = to_regclass('procrastinate_jobs')"
_VERSIONS: Final = f"SELECT (SELECT version_num FROM alembic_version), ({QUEUE_VERSION}), (SELECT max(v) FROM checkpoint_migrations)"


def migrate_where_behind(url: str) -> None:
    """Bring the schema to what this code needs; raise MigrationFailed or DatabaseUnavailable."""
    if _is_current(url):
        return
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"), initializer=_go_on) as process:
        try:
            process.submit(_migrate, url).result()
        except BrokenProcessPool as error:
            raise MigrationFailed("The process that changed the schema was killed.") from error


def newest_of_queue() -> str:
    """The last of the files with which the queue changes its tables."""
    return max(file.name for file in Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _is_current(url: str) -> bool:
    with database_errors(), psycopg.connect(url) as connection:
        try:
            found = connection.execute(_VERSIONS).fetchone()
        except psycopg.errors.UndefinedTable:
            return False
    return found == (head(), newest_of_queue(), len(PostgresSaver.MIGRATIONS) - 1)


def _go_on() -> None:
    """Whatever is typed at the terminal meanwhile: the server, which waits for this, ends by it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _migrate(url: str) -> None:
    from app.persistence import migrate  # noqa: PLC0415  # in this process only

    migrate.up(url)
