"""The end of users and old sessions in the tables: whole, counted, fenced, and nobody else's."""

import asyncio
import json
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from uuid_utils.compat import uuid7

from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all
from app.persistence.erasing import Erasing
from app.persistence.exports import ExportTable
from app.persistence.lifecycle import ExportAttempt
from app.persistence.migrate import sqlalchemy_url
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.persistence.values import Session
from tests.persistence.moments import once, until_waiting
from tests.persistence.rows import Process, answered, claimed, finished

DAY = timedelta(days=1)
_JOB = """
INSERT INTO procrastinate_jobs (queue_name, task_name, status, lock, queueing_lock, args)
VALUES ('milepost', 'remember', %(status)s::text::procrastinate_job_status, %(lock)s, %(lock)s,
        jsonb_build_object('session_id', %(about)s::text))
"""
_AGE = "UPDATE session SET id = %(id)s, updated_at = now() - make_interval(days => %(days)s) WHERE id = %(session_id)s"


def _tables_of_users(url: str) -> set[str]:
    """Every table whose rows go when a user does."""
    engine = sa.create_engine(sqlalchemy_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        schema = sa.inspect(connection)
        parents = {table: {key["referred_table"] for key in schema.get_foreign_keys(table)} for table in schema.get_table_names()}
    found, before = {"user"}, set[str]()
    while found != before:
        before, found = found, found | {table for table, of in parents.items() if of & found}
    return found


async def test_a_receipt_counts_every_table_that_hangs_on_the_user_and_can_be_shown_to_be_theirs(
    database: Database, here: Process, user: User, session: Session, database_url: str
) -> None:
    await answered(here, user, session)
    await claimed(here, user, session)
    receipt = await Erasing(database.pool).erase(user.id, {"elsewhere": 3})
    assert receipt
    assert set(receipt.counts) >= _tables_of_users(database_url)
    found = {name: receipt.counts[name] for name in ("user", "session", "run", "message", "run_event", "checkpoints", "elsewhere")}
    assert found == {"user": 1, "session": 1, "run": 2, "message": 3, "run_event": 1, "checkpoints": 1, "elsewhere": 3}
    told = {
        "id": str(receipt.id),
        "erased_at": receipt.erased_at.isoformat().replace("+00:00", "Z"),
        "counts": receipt.counts,
        "user_id": str(user.id),
    }
    assert receipt.sha256 == sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert await Erasing(database.pool).erase(user.id, {}) is None
    assert len(await fetch_all(database.pool, "SELECT FROM audit", {})) == 1


async def test_an_erasure_that_fails_in_the_middle_has_erased_nothing(
    database: Database, here: Process, user: User, session: Session, database_url: str
) -> None:
    await answered(here, user, session)
    await execute(database.pool, "ALTER TABLE audit ADD CHECK (event <> 'user_erased')", {})
    with pytest.raises(Exception, match="The database refused"):
        await Erasing(database.pool).erase(user.id, {})
    left = 'SELECT (SELECT count(*) FROM "user"), (SELECT count(*) FROM message), (SELECT count(*) FROM checkpoints)'
    with psycopg.connect(database_url) as connection:
        assert connection.execute(left).fetchone() == (1, 2, 1)


async def test_a_run_that_ends_while_its_user_is_erased_writes_nothing(
    database: Database, here: Process, user: User, session: Session, database_url: str
) -> None:
    run = await claimed(here, user, session)
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT FROM session FOR UPDATE")  # the erasure has the run, and waits for this
        erasing = asyncio.create_task(Erasing(database.pool).erase(user.id, {}))
        await once(until_waiting(database_url, 1))
        ending = asyncio.create_task(here.runs.finish(finished(run)))
        await once(until_waiting(database_url, 2))
        connection.rollback()
    assert await erasing
    assert await ending is False
    assert await fetch_all(database.pool, "SELECT id FROM message UNION ALL SELECT run_id FROM run_event", {}) == []


async def test_jobs_go_and_one_that_is_being_done_loses_what_it_is_about(database: Database, user: User, session: Session) -> None:
    bobs = uuid7()
    for status, about in (("todo", session.id), ("doing", session.id), ("failed", bobs)):
        await execute(database.pool, _JOB, {"status": status, "lock": f"remember {about}", "about": about})
    receipt = await Erasing(database.pool).erase(user.id, {})
    assert receipt
    assert receipt.counts["procrastinate_jobs"] == 2
    left = "SELECT status::text, lock, queueing_lock, args FROM procrastinate_jobs ORDER BY status::text"
    assert [tuple(row.values()) for row in await fetch_all(database.pool, left, {})] == [
        ("doing", None, None, {}),
        ("failed", f"remember {bobs}", f"remember {bobs}", {"session_id": str(bobs)}),
    ]


async def test_sessions_go_when_nobody_has_talked_in_them_for_long_enough(
    database: Database, here: Process, user: User, session: Session
) -> None:
    sessions = SessionTable(database)
    silent, talking, answering = [await sessions.add(user.id, name) for name in ("silent", "talking", "answering")]
    # Opened long ago, all of them: the first silent ever since.
    ages = [(silent, 40), (talking, 3), (answering, 40)]
    moved = {}
    for place, (one, days) in enumerate(ages, start=1):
        moved[one.name] = UUID(int=place)
        await execute(database.pool, _AGE, {"session_id": one.id, "id": moved[one.name], "days": days})
    old = Session(
        remembers=True,
        temporary=False,
        agent="assistant",
        config={},
        config_version=0,
        id=moved["answering"],
        name="",
        name_is_final=True,
        created_at=session.created_at,
        updated_at=session.updated_at,
    )
    await claimed(here, user, old)
    await execute(database.pool, "UPDATE session SET updated_at = now() - interval '40 days' WHERE name = 'answering'", {})
    await execute(database.pool, "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES (%(id)s, 'x', '{}')",
                  {"id": str(moved["silent"])})  # fmt: skip
    erasing = Erasing(database.pool)
    assert [await erasing.delete_old_sessions(30 * DAY, 10) for _ in range(2)] == [1, 0]
    left = await fetch_all(database.pool, "SELECT name FROM session ORDER BY name", {})
    assert [row["name"] for row in left] == ["", "answering", "talking"]
    assert await fetch_all(database.pool, "SELECT FROM checkpoints", {}) == []


async def test_who_deletes_a_session_that_is_old_enough_to_go_and_what_deletes_it_anyway_do_not_wait_for_each_other(
    database: Database, here: Process, user: User, session: Session, database_url: str
) -> None:
    await answered(here, user, session)
    await execute(database.pool, "UPDATE session SET updated_at = now() - interval '40 days'", {})
    async with await psycopg.AsyncConnection.connect(database_url) as deleting:
        await deleting.execute("SELECT FROM run FOR UPDATE")  # as their deletion begins
        going = asyncio.create_task(Erasing(database.pool).delete_old_sessions(-DAY, 10))
        await once(until_waiting(database_url, 1))
        await deleting.execute("DELETE FROM session")
        await deleting.commit()
    assert await going == 0


async def test_the_audit_log_goes_from_its_old_end(database: Database) -> None:
    for name in ("old", "new"):
        ids = {"id": uuid7() if name == "new" else UUID(int=1), "event": name}
        await execute(database.pool, "INSERT INTO audit (id, event, details, created_at) VALUES (%(id)s, %(event)s, '{}', now())", ids)
    assert await Erasing(database.pool).delete_old_audit(DAY, 10) == 1
    assert await fetch_all(database.pool, "SELECT event FROM audit", {}) == [{"event": "new"}]


async def test_an_export_is_written_by_its_latest_try_only(database: Database, user: User) -> None:
    table = ExportTable(database.pool)
    export = await table.ask(user.id)
    assert export
    assert await table.ask(user.id) == export  # it is being made
    first, second = await table.begin(export.id), await table.begin(export.id)
    assert isinstance(first, ExportAttempt)
    assert isinstance(second, ExportAttempt)
    assert [await table.keep(attempt, 0, piece) for attempt, piece in ((first, b"lost"), (second, b"kept"))] == [False, True]
    await table.finish(first)
    found = await table.find(user.id)
    assert found == export
    await table.finish(second)
    assert [piece async for piece in table.pieces(export.id)] == [b"kept"]
    whole = await table.find(user.id)
    assert whole
    assert whole.bytes == len(b"kept")
    assert await table.begin(export.id) is None
    assert [await table.forget(seconds) for seconds in (3600, 0)] == [0, 1]
    assert await fetch_all(database.pool, "SELECT FROM export_chunk", {}) == []


async def test_a_user_who_is_gone_has_no_export(database: Database) -> None:
    ada = await UserTable(database).add("gone@example.com", "not-a-hash")
    assert await Erasing(database.pool).erase(ada.id, {})
    assert await ExportTable(database.pool).ask(ada.id) is None
