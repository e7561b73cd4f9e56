"""Migrate as a server starts, in a process of its own: the libraries that change a schema take a tenth of a server's memory."""

import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from procrastinate.schema import SchemaManager

from app.errors import AppError, MigrationFailed, error_of
from app.persistence.database import database_errors
from app.persistence.revisions import head
from app.settings import ROOT

# Which of the queue's files were applied last stands in the comment of its table; no row when there is no such table yet.
QUEUE_VERSION: Final = "SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE oid = to_regclass('procrastinate_jobs')"
_VERSIONS: Final = f"SELECT (SELECT version_num FROM alembic_version), ({QUEUE_VERSION}), (SELECT max(v) FROM checkpoint_migrations)"


def migrate_where_behind(url: str) -> None:
    """Bring the schema to what this code needs; raise MigrationFailed or DatabaseUnavailable."""
    if _is_current(url):
        return
    # The address has a password, and so comes by no argument. In a session of its own Ctrl+C, which ends us, lets it come to its end.
    done = subprocess.run(  # noqa: S603  # our own interpreter and module
        (sys.executable, "-m", __name__), cwd=ROOT, input=url, capture_output=True, text=True, check=False, start_new_session=True
    )
    if done.returncode:
        raise _told(done.stdout)


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


def _told(output: str) -> AppError:
    code, _, detail = output.partition(" ")
    return error_of(code, detail) if detail else MigrationFailed("The schema was not changed: `python -m app migrate up` says why.")


def _main() -> None:
    from app.persistence import migrate  # noqa: PLC0415  # in this process only

    try:
        # What is logged, or printed by a library, is not the answer.
        with redirect_stdout(sys.stderr):
            migrate.up(sys.stdin.read())
    except AppError as error:
        sys.stdout.write(f"{error.code} {error.detail}")
        sys.exit(1)


if __name__ == "__main__":
    _main()
