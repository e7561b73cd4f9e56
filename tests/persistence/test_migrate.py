"""Migrations: up, down and up again, by several at once, and what `check` finds."""

import asyncio
import multiprocessing
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from procrastinate.schema import SchemaManager
from uuid_utils.compat import uuid7

from app.errors import DatabaseUnavailable, MigrationFailed
from app.persistence import migrate, revisions
from app.persistence.accounts import User
from app.persistence.address import database_url as open_address
from app.persistence.database import Database
from app.persistence.tables import METADATA
from app.persistence.tool_starts import ToolStarts
from app.persistence.values import Session
from app.settings import DatabaseSettings
from tests.persistence.clients import ask, eventually
from tests.persistence.rows import Process, asking, claimed, finished, head_of, new_resumption, row_of

TOGETHER_SECONDS = 30
CHECKPOINTS = {"checkpoints", "checkpoint_blobs", "checkpoint_writes", "checkpoint_migrations"}
QUEUE = {"procrastinate_jobs", "procrastinate_workers", "procrastinate_periodic_defers", "procrastinate_events"}
THEIRS = CHECKPOINTS | QUEUE
# The revision before the one that brought branches.
LINES = "e771906b7b24"
QUEUE_VERSION = "SELECT obj_description('procrastinate_jobs'::regclass, 'pg_class')"
OLD_RUN = """
INSERT INTO run (id, session_id, user_id, status, attempt, model, asked_id, message_id, body_hash, stop_requested, input_tokens,
                 output_tokens, created_at)
VALUES (%(id)s, %(session_id)s, %(user_id)s, 'completed', 1, 'stub', %(asked_id)s, %(message_id)s, '', false, 0, 0, now())
"""


def another(postgres: str) -> str:
    """The address of a database that does not exist."""
    return postgres.replace("/milepost?", f"/migrate_{uuid4().hex}?")


def tables(url: str) -> set[str]:
    found = ask(url, "SELECT array_agg(tablename::text) FROM pg_tables WHERE schemaname = 'public'")
    assert found is None or isinstance(found, list)
    return {*(found or ())}


OURS = {*METADATA.tables, "memory", "memory_embedder", "alembic_version"}


def test_an_empty_database_gets_every_table(empty: str) -> None:
    assert migrate.current(empty) == ""
    assert migrate.check(empty)
    migrate.up(empty)
    assert tables(empty) == OURS | THEIRS
    assert migrate.current(empty) == revisions.head() != ""
    assert migrate.check(empty) == []


def test_going_up_twice_changes_nothing(database_url: str) -> None:
    ask(database_url, "INSERT INTO \"user\" VALUES (gen_random_uuid(), 'ada@example.com', 'hash', now())")
    migrate.up(database_url)
    assert ask(database_url, 'SELECT count(*) FROM "user"') == 1
    assert migrate.check(database_url) == []


def test_going_up_twice_leaves_the_queue_and_its_jobs_as_they_are(database_url: str) -> None:
    ask(database_url, "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('milepost', 'make_run')")
    version = ask(database_url, QUEUE_VERSION)
    for _ in range(2):
        migrate.up(database_url)
    assert ask(database_url, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'") == 1
    assert ask(database_url, QUEUE_VERSION) == version
    assert version == max(file.name for file in Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def test_a_queue_of_an_earlier_version_gets_what_it_lacks(database_url: str) -> None:
    """As if the last file of the library had never been applied: it makes this trigger."""
    *_, before, last = sorted(file.name for file in Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    ask(database_url, "DROP TRIGGER procrastinate_trigger_status_events_update_v1 ON procrastinate_jobs")
    ask(database_url, f"COMMENT ON TABLE procrastinate_jobs IS '{before}'")
    migrate.up(database_url)
    assert ask(database_url, "SELECT count(*) FROM pg_trigger WHERE tgname = 'procrastinate_trigger_status_events_update_v1'") == 1
    assert ask(database_url, QUEUE_VERSION) == last


def test_conversations_that_were_lines_become_branches_of_one(empty: str) -> None:
    migrate.up(empty, LINES)
    with psycopg.connect(empty, autocommit=True) as connection:
        lines = [line_of(connection, turns) for turns in (3, 1, 0)]
    migrate.up(empty)
    with psycopg.connect(empty) as connection:
        for session, runs in lines:
            rows = connection.execute(
                "SELECT id, parent_id, checkpoint, started_at = created_at, waiting, crashes FROM run WHERE session_id = %s ORDER BY id",
                [session],
            ).fetchall()
            parents = [None, *runs[:-1]][: len(runs)]
            ends = [f"{session} 2" if run == runs[-1] else None for run in runs]
            assert rows == [(run, parent, end, True, False, 0) for run, parent, end in zip(runs, parents, ends, strict=True)]
            assert connection.execute("SELECT head_run_id, naming FROM session WHERE id = %s", [session]).fetchone() == (
                runs[-1] if runs else None,
                "done",
            )
    assert migrate.check(empty) == []


def line_of(connection: "psycopg.Connection[Any]", turns: int) -> tuple[UUID, list[UUID]]:
    """A conversation as the first version wrote it, with three checkpoints and one of a part of the graph."""
    user, session, runs = uuid7(), uuid7(), [uuid7() for _ in range(turns)]
    connection.execute('INSERT INTO "user" VALUES (%s, %s, %s, now())', [user, f"{user}@example.com", "hash"])
    connection.execute(
        "INSERT INTO session (id, user_id, name, created_at, updated_at) VALUES (%s, %s, 'Mine', now(), now())", [session, user]
    )
    for run in runs:
        connection.execute(OLD_RUN, {"id": run, "session_id": session, "user_id": user, "asked_id": uuid7(), "message_id": uuid7()})
    for name, within in (("0", ""), ("2", ""), ("1", ""), ("3", "tools:1")):
        connection.execute(
            "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, checkpoint) VALUES (%s, %s, %s, '{}')",
            [str(session), within, f"{session} {name}"],
        )
    return session, runs


def test_without_the_checkpointers_tables_there_are_no_checkpoints_to_find(empty: str) -> None:
    migrate.up(empty, LINES)
    ask(empty, "DROP TABLE checkpoints, checkpoint_blobs, checkpoint_writes, checkpoint_migrations")
    migrate.up(empty)
    assert migrate.check(empty) == []
    assert tables(empty) == OURS | THEIRS


def test_a_process_of_the_version_before_goes_on_writing_rows(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        session, [run] = line_of(connection, 1)
        assert connection.execute("SELECT waiting, crashes FROM run WHERE id = %s", [run]).fetchone() == (False, 0)
        assert connection.execute("SELECT naming FROM session WHERE id = %s", [session]).fetchone() == ("done",)


async def test_going_down_with_rows_in_place_keeps_what_the_version_before_knows(
    database: Database, database_url: str, here: Process, user: User, session: Session
) -> None:
    run = await claimed(here, user, session)
    assert await here.runs.finish(asking(run, "q"))
    resumption = new_resumption(user, session, {"q": True})
    assert await here.turns.claim_resumption(resumption)
    waiting = await claimed(here, user, session, waits=True)
    await ToolStarts(database.pool, resumption.id, 1).begin("tools:1")
    await asyncio.to_thread(migrate.down, database_url, LINES)
    assert await asyncio.to_thread(ask, database_url, "SELECT array_agg(id ORDER BY id) FROM run") == [run.id, resumption.id]
    assert await asyncio.to_thread(ask, database_url, "SELECT count(*) FROM run WHERE asked_id IS NULL") == 0
    assert await asyncio.to_thread(ask, database_url, "SELECT count(*) FROM message") == 2
    with pytest.raises(psycopg.errors.UniqueViolation):
        await asyncio.to_thread(ask, database_url, "UPDATE run SET status = 'running'")
    await asyncio.to_thread(migrate.up, database_url)
    assert await asyncio.to_thread(migrate.check, database_url) == []
    assert await head_of(database, session) == resumption.id
    assert (await row_of(database, resumption.id))["parent_id"] == run.id
    assert not await here.runs.finish(finished(waiting))


def test_down_to_nothing_leaves_what_others_made_and_up_again_works(database_url: str) -> None:
    migrate.down(database_url, "base")
    assert tables(database_url) == THEIRS | {"alembic_version"}
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
        ("DROP INDEX run_turn", "add_index run_turn"),
        ("CREATE TABLE stray (id int)", "remove_table stray"),
        ("COMMENT ON COLUMN session.name IS 'other words'", "modify_comment session.name"),
    ],
)
def test_what_was_changed_by_hand_is_found(database_url: str, change: str, finding: str) -> None:
    ask(database_url, change)
    [found] = migrate.check(database_url)
    assert found.startswith(finding)


def test_a_database_that_is_behind_is_said_to_be(empty: str) -> None:
    assert migrate.check(empty)[0] == f"the database is at no revision, this server needs {revisions.head()}"


def test_tables_that_others_make_are_neither_described_nor_dropped(database_url: str) -> None:
    ask(database_url, "CREATE TABLE procrastinate_of_another_version (id int)")
    ask(database_url, "ALTER TABLE procrastinate_jobs ADD of_another_version int")
    ask(database_url, "CREATE INDEX a_new_index ON checkpoint_blobs (type)")
    assert migrate.check(database_url) == []


def test_a_new_revision_would_have_nothing_in_it(database_url: str) -> None:
    engine = sa.create_engine(migrate.sqlalchemy_url(database_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": migrate.is_ours, "compare_type": True})
        steps = produce_migrations(context, METADATA)
    assert steps.upgrade_ops is not None
    assert steps.upgrade_ops.is_empty()


@pytest.mark.parametrize("go", [migrate.up, migrate.down])
def test_a_revision_nobody_knows_is_refused_and_nothing_changes(database_url: str, go: object) -> None:
    assert callable(go)
    with pytest.raises(MigrationFailed, match="no such revision"):
        go(database_url, "5f3759df")
    assert migrate.check(database_url) == []


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ('CREATE TABLE "user" (another int)', 'relation "user" already exists. Give Milepost a database of its own.'),
        ("CREATE TYPE procrastinate_job_status AS ENUM ('x')", 'type "procrastinate_job_status" already exists. Give'),
        ("CREATE TABLE checkpoints (another int)", 'column "checkpoint_id" does not exist.'),
    ],
)
def test_what_others_have_in_the_way_is_named(empty: str, theirs: str, told: str) -> None:
    ask(empty, theirs)
    with pytest.raises(MigrationFailed, match=re.escape(told)):
        migrate.up(empty)


def test_a_revision_without_a_word_is_not_written(database_url: str) -> None:
    with pytest.raises(MigrationFailed, match="in a few words"):
        migrate.new(database_url, " ")


def test_a_schema_of_a_later_version_is_left_as_it_is(database_url: str) -> None:
    ask(database_url, "UPDATE alembic_version SET version_num = '5f3759df'")
    ask(database_url, "COMMENT ON TABLE procrastinate_jobs IS '99.99.99'")
    migrate.up(database_url)
    assert migrate.current(database_url) == "5f3759df"
    assert ask(database_url, QUEUE_VERSION) == "99.99.99"


def test_a_table_that_somebody_uses_is_not_waited_for_while_everybody_waits_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.down(database_url, LINES)
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", "SET lock_timeout = '50ms'")
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT FROM run")
        with pytest.raises(MigrationFailed, match="taken back"):
            migrate.up(database_url)
    assert migrate.current(database_url) == LINES
    migrate.up(database_url)
    assert migrate.check(database_url) == []


def test_nor_is_a_table_of_the_queue(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", "SET lock_timeout = '50ms'")
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE procrastinate_jobs")
        with pytest.raises(MigrationFailed, match="taken back"):
            migrate.up(database_url)
    migrate.up(database_url)


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
