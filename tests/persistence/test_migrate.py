"""Migrations: up, down and up again, by several at once, and what `check` finds."""

import multiprocessing
from collections.abc import Iterator
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from psycopg import sql

from app.errors import DatabaseUnavailable, MigrationFailed
from app.persistence import migrate
from app.persistence.address import database_url as open_address
from app.persistence.database import sqlalchemy_url
from app.persistence.tables import METADATA
from app.settings import DatabaseSettings
from tests.persistence.clients import ask, eventually

TOGETHER_SECONDS = 30
CHECKPOINTS = {"checkpoints", "checkpoint_blobs", "checkpoint_writes", "checkpoint_migrations"}


def another(postgres: str) -> str:
    """The address of a database that does not exist."""
    return postgres.replace("/milepost?", f"/migrate_{uuid4().hex}?")


@pytest.fixture
def empty(postgres: str) -> Iterator[str]:
    """A database without tables."""
    url = another(postgres)
    name = sql.Identifier(url.rpartition("/")[2].partition("?")[0])
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield url
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def tables(url: str) -> set[str]:
    found = ask(url, "SELECT array_agg(tablename::text) FROM pg_tables WHERE schemaname = 'public'")
    assert found is None or isinstance(found, list)
    return {*(found or ())}


OURS = {*METADATA.tables, "alembic_version"}


def test_an_empty_database_gets_every_table(empty: str) -> None:
    assert migrate.current(empty) == ""
    assert migrate.check(empty)
    migrate.up(empty)
    assert tables(empty) == OURS | CHECKPOINTS
    assert migrate.current(empty) == migrate.head() != ""
    assert migrate.check(empty) == []


def test_going_up_twice_changes_nothing(database_url: str) -> None:
    ask(database_url, "INSERT INTO \"user\" VALUES (gen_random_uuid(), 'ada@example.com', 'hash', now())")
    migrate.up(database_url)
    assert ask(database_url, 'SELECT count(*) FROM "user"') == 1
    assert migrate.check(database_url) == []


def test_down_to_nothing_leaves_what_is_langgraphs_and_up_again_works(database_url: str) -> None:
    migrate.down(database_url, "base")
    assert tables(database_url) == CHECKPOINTS | {"alembic_version"}
    assert migrate.current(database_url) == ""
    migrate.up(database_url)
    assert migrate.check(database_url) == []


def test_one_step_down_is_one_revision(database_url: str) -> None:
    revisions = [line.split()[0] for line in migrate.history()]
    migrate.down(database_url)
    assert migrate.current(database_url) == ([*revisions[1:], ""])[0]


def test_several_processes_that_start_on_an_empty_database_all_succeed(empty: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=migrate.up, args=(empty,)) for _ in range(2)]
    for process in processes:
        process.start()
    ended = eventually(lambda: not any(process.is_alive() for process in processes), TOGETHER_SECONDS)
    for process in processes:
        process.kill()
        process.join()
    assert ended, "they wait for each other"
    assert [process.exitcode for process in processes] == [0, 0]
    assert migrate.check(empty) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("ALTER TABLE session ADD colour text", "remove_column session.colour"),
        ("ALTER TABLE session DROP name", "add_column session.name"),
        ("ALTER TABLE run ALTER model TYPE text", "modify_type run.model"),
        ("DROP INDEX run_turn_lock", "add_index run_turn_lock"),
        ("CREATE TABLE stray (id int)", "remove_table stray"),
        ("COMMENT ON COLUMN session.name IS 'other words'", "modify_comment session.name"),
    ],
)
def test_what_was_changed_by_hand_is_found(database_url: str, change: str, finding: str) -> None:
    ask(database_url, change)
    [found] = migrate.check(database_url)
    assert found.startswith(finding)


def test_a_database_that_is_behind_is_said_to_be(empty: str) -> None:
    assert migrate.check(empty)[0] == f"the database is at no revision, this server needs {migrate.head()}"


def test_tables_that_others_make_are_neither_described_nor_dropped(database_url: str) -> None:
    ask(database_url, "CREATE TABLE procrastinate_jobs (id int)")
    ask(database_url, "CREATE INDEX a_new_index ON checkpoint_blobs (type)")
    assert migrate.check(database_url) == []


def test_a_new_revision_would_have_nothing_in_it(database_url: str) -> None:
    engine = sa.create_engine(sqlalchemy_url(database_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": migrate.is_ours, "compare_type": True})
        steps = produce_migrations(context, METADATA)
    assert steps.upgrade_ops is not None
    assert steps.upgrade_ops.is_empty()


@pytest.mark.parametrize("go", [migrate.up, migrate.down])
def test_a_revision_nobody_knows_is_refused_and_nothing_changes(database_url: str, go: object) -> None:
    assert callable(go)
    with pytest.raises(MigrationFailed, match="could not be changed"):
        go(database_url, "5f3759df")
    assert migrate.check(database_url) == []


def test_below_the_first_revision_there_is_nothing(empty: str) -> None:
    with pytest.raises(MigrationFailed):
        migrate.down(empty)


def test_a_database_that_does_not_answer_is_said_so() -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate.up("postgresql://user:hidden-password@127.0.0.1:1/none")


def test_a_database_that_does_not_exist_is_created_and_migrated(postgres: str) -> None:
    url = another(postgres)
    with open_address(DatabaseSettings(DATABASE_URL=url)) as address:
        migrate.up(address)
        assert migrate.check(url) == []
    ask(postgres, f'DROP DATABASE "{quote(url.rpartition("/")[2].partition("?")[0])}"')
