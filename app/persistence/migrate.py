"""The schema: our tables by Alembic, the checkpointer's and the queue's by what they bring themselves, all under one advisory lock."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import alembic.command
import alembic.util.exc
import psycopg
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from langgraph.checkpoint.postgres import PostgresSaver
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg.rows import dict_row

from app.errors import MigrationFailed
from app.persistence import tables
from app.persistence.database import database_errors
from app.persistence.migrating import QUEUE_VERSION, newest_of_queue
from app.persistence.revisions import FOLDER, forget, head, is_ahead

_TRY_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('milepost.migrate', 0))"
_LOOK_SECONDS: Final = 0.1
# Whoever asks for a table after a statement that waits for it waits too: rather none of it than everybody for long.
_LOCK_SECONDS: Final = 5
_LOCK_TIMEOUT: Final = f"SET lock_timeout = '{_LOCK_SECONDS}s'"
_IN_USE: Final = f"A table was in use for longer than {_LOCK_SECONDS} seconds, so its change was taken back: try again when it is quiet."
_NO_WAY: Final = (
    "There is no such revision to go to: `python -m app migrate history` lists them, `migrate current` says where the database is."
)
_TAKEN: Final = (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject, psycopg.errors.DuplicateColumn)
# Tables that others create and alter, and ours of vectors, a type that Alembic does not know: it must neither drop nor describe them.
_FOREIGN_PREFIXES: Final = ("checkpoint", "procrastinate_", "memory")


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or not (name or "").startswith(_FOREIGN_PREFIXES)


def up(url: str, revision: str = "head") -> None:
    """Bring the schema to `revision`, and the checkpointer's and the queue's tables to their libraries' versions.

    Safe to call from several processes at once: they take turns. A schema of a later version is left as it is: who goes back to this one
    has what it needs there. Raise MigrationFailed or DatabaseUnavailable.
    """
    with _locked(url) as connection:
        if revision == "head" and is_ahead(MigrationContext.configure(connection).get_current_revision() or ""):
            return
        _run(connection, lambda config: alembic.command.upgrade(config, revision))
        _set_up_checkpointer(url)
        _set_up_queue(url)


def down(url: str, revision: str = "-1") -> None:
    """Go back to `revision`; the checkpointer's and the queue's tables stay."""
    with _locked(url) as connection:
        _run(connection, lambda config: alembic.command.downgrade(config, revision))


def new(url: str, message: str) -> str:
    """Write a revision from what the tables in code have and the database has not; return its id."""
    if not message.strip():
        raise MigrationFailed("Say what the revision brings, in a few words.")
    with _locked(url) as connection:
        if MigrationContext.configure(connection).get_current_revision() != head():
            raise MigrationFailed("The database is behind: run `python -m app migrate up` first.")
        _run(connection, lambda config: alembic.command.revision(config, message, autogenerate=True))
    forget()
    return head()


def history() -> list[str]:
    """Every revision, newest first, with what it does."""
    return [f"{script.revision}  {script.doc}" for script in _scripts().walk_revisions()]


def current(url: str) -> str:
    """The revision the database is at; empty for a database that has none."""
    with _locked(url) as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def check(url: str) -> list[str]:
    """What the tables in code and the database do not agree on, in words; empty when they do."""
    with _locked(url) as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_ours, "compare_type": True})
        differences = [*map(_in_words, compare_metadata(context, tables.METADATA))]
        at = context.get_current_revision() or "no revision"
    return ([] if at == head() else [f"the database is at {at}, this server needs {head()}"]) + differences


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def sqlalchemy_url(url: str) -> str:
    """The same address for SQLAlchemy, which picks the driver by the scheme."""
    _, _, address = url.partition("://")
    return f"postgresql+psycopg://{address}"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(slug)s")
    return config


@contextmanager
def _locked(url: str) -> Generator[sa.Connection]:
    """A connection that holds the schema's lock until it closes."""
    engine = sa.create_engine(sqlalchemy_url(url), poolclass=sa.NullPool)
    with database_errors(), _refusals(), _drivers_errors(), engine.connect() as connection:
        _take_turn(connection)
        yield connection


@contextmanager
def _refusals() -> Generator[None]:
    """Raise MigrationFailed for a statement that does not go with what the database has, or with what we may do there."""
    try:
        yield
    except psycopg.ProgrammingError as error:
        hint = " Give Milepost a database of its own." if isinstance(error, _TAKEN) else ""
        # Of this class the first line names tables and the like, never what is in a row.
        raise MigrationFailed(f"The schema could not be changed: {error.diag.message_primary or type(error).__name__}.{hint}") from error


@contextmanager
def _drivers_errors() -> Generator[None]:
    """Raise what the driver said, in place of what SQLAlchemy makes of it."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise (error.orig or error) from error


def _take_turn(connection: sa.Connection) -> None:
    # A statement that waited for the lock would hold a snapshot, and the checkpointer's concurrent indexes wait for every snapshot.
    while not connection.scalar(sa.text(_TRY_LOCK)):
        connection.commit()
        time.sleep(_LOOK_SECONDS)
    connection.commit()


def _in_words(difference: tuple[Any, ...] | list[tuple[Any, ...]]) -> str:
    """Alembic's difference, a verb and what it is about, as a line: "add_column session.colour"."""
    if isinstance(difference, list):  # several of one column
        return ", ".join(map(_in_words, difference))
    verb, *about = difference
    names = [
        str(getattr(part, "name", None) or part)
        for part in about
        if isinstance(part, str | sa.Table | sa.Column | sa.Index | sa.Constraint)
    ]
    return f"{verb} {'.'.join(names)}"


def _run(connection: sa.Connection, command: Callable[[Config], object]) -> None:
    config = _config()
    config.attributes["connection"] = connection
    connection.execute(sa.text(_LOCK_TIMEOUT))
    connection.commit()
    try:
        command(config)
    except sa.exc.OperationalError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise MigrationFailed(_IN_USE) from error
        raise
    except alembic.util.exc.CommandError as error:
        raise MigrationFailed(_NO_WAY) from error
    connection.commit()


@contextmanager
def _patient(url: str) -> Generator[psycopg.Connection]:
    """A connection whose statements wait for a table as long as Alembic's do; raise MigrationFailed after that."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_LOCK_TIMEOUT.encode())
        try:
            yield connection
        except psycopg.errors.LockNotAvailable as error:
            raise MigrationFailed(_IN_USE) from error


def _set_up_queue(url: str) -> None:
    """The queue has no migrations of its own to run, only files of statements to apply, each named by the version that needs it."""
    with _patient(url) as connection:
        at = connection.execute(QUEUE_VERSION).fetchone()
        statements = [] if at else [SchemaManager.get_schema()]
        if at:
            files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
            statements = [file.read_text() for file in files if file.name > str(at[0])]
        for statement in statements:
            connection.execute(statement.encode())
        connection.execute(sql.SQL("COMMENT ON TABLE procrastinate_jobs IS {}").format(newest_of_queue()))


def _set_up_checkpointer(url: str) -> None:
    # Its set-up builds indexes concurrently, which no transaction allows: hence a connection of its own.
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        PostgresSaver(connection).setup()
