"""A server brings its schema up to date as it starts, in a process of its own, and only where that is behind."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from procrastinate.schema import SchemaManager

from app.errors import DatabaseRefused, DatabaseUnavailable, MigrationFailed
from app.persistence import migrate, revisions
from app.persistence.migrating import migrate_where_behind
from tests.persistence.clients import ask, eventually

_SECONDS = 30
_SCHEMA_LOCK = "SELECT pg_advisory_lock(hashtextextended('milepost.migrate', 0))"
_QUEUE_VERSION = "SELECT obj_description('procrastinate_jobs'::regclass, 'pg_class')"
_READ_ONLY = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$"
_CHECKPOINTS = "SELECT max(v) FROM checkpoint_migrations"


def _migrating() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.cmdline()[1:] == ["-m", "app.persistence.migrating"]]


def test_an_empty_database_has_all_of_it_then_and_the_process_is_gone(empty: str) -> None:
    migrate_where_behind(empty)
    assert (migrate.current(empty), migrate.check(empty)) == (revisions.head(), [])
    assert _migrating() == []


def test_where_nothing_is_behind_nobody_waits_for_who_migrates(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(_SCHEMA_LOCK)
        migrate_where_behind(database_url)


def test_our_own_tables_may_be_behind(database_url: str) -> None:
    migrate.down(database_url)
    migrate_where_behind(database_url)
    assert migrate.check(database_url) == []


def test_the_queues_tables_may_be_behind(database_url: str) -> None:
    *_, before, last = sorted(file.name for file in Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    ask(database_url, "DROP TRIGGER procrastinate_trigger_status_events_update_v1 ON procrastinate_jobs")
    ask(database_url, f"COMMENT ON TABLE procrastinate_jobs IS '{before}'")
    migrate_where_behind(database_url)
    assert ask(database_url, _QUEUE_VERSION) == last


def test_the_checkpointers_tables_may_be_behind(database_url: str) -> None:
    newest = ask(database_url, _CHECKPOINTS)
    ask(database_url, "DELETE FROM checkpoint_migrations WHERE v = (SELECT max(v) FROM checkpoint_migrations)")
    migrate_where_behind(database_url)
    assert ask(database_url, _CHECKPOINTS) == newest


def test_what_cannot_be_changed_is_told_as_by_the_command(empty: str) -> None:
    ask(empty, 'CREATE TABLE "user" (another int)')
    with pytest.raises(MigrationFailed, match="The schema could not be changed"):
        migrate_where_behind(empty)


def test_what_the_database_refuses_is_told_by_its_code(empty: str) -> None:
    ask(empty, _READ_ONLY)
    with pytest.raises(DatabaseRefused):
        migrate_where_behind(empty)


def test_a_database_that_is_not_there_is_told(database_url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate_where_behind(f"{database_url}&dbname=nobodys")


def test_who_is_killed_as_it_migrates_has_failed(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as other, ThreadPoolExecutor() as threads:
        other.execute(_SCHEMA_LOCK)
        migrating = threads.submit(migrate_where_behind, empty)
        assert eventually(lambda: len(_migrating()) == 1, _SECONDS)
        _migrating()[0].kill()
        with pytest.raises(MigrationFailed, match="was not changed"):
            migrating.result(_SECONDS)


def test_who_stops_a_server_at_its_terminal_lets_what_migrates_come_to_its_end(empty: str) -> None:
    with ThreadPoolExecutor() as threads:
        with psycopg.connect(empty, autocommit=True) as other:
            other.execute(_SCHEMA_LOCK)
            migrating = threads.submit(migrate_where_behind, empty)
            assert eventually(lambda: len(_migrating()) == 1, _SECONDS)
            assert os.getsid(_migrating()[0].pid) != os.getsid(0), "or Ctrl+C would be for both"
        migrating.result(_SECONDS)


def test_files_tell_the_same_revisions_as_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(revisions.FOLDER))
    scripts = ScriptDirectory.from_config(config)
    assert (revisions.head(), revisions.revisions()) == (scripts.get_current_head(), {one.revision for one in scripts.walk_revisions()})
    assert (revisions.is_ahead(revisions.head()), revisions.is_ahead("of_tomorrow"), revisions.is_ahead("")) == (False, True, False)
