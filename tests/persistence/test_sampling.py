"""What is sampled is what is in the tables, read from what is open alone, and nothing where nobody answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import psycopg
import pytest
from structlog.testing import capture_logs

from app import signals
from app.persistence import migrate, revisions
from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all
from app.persistence.done import BACKUP, DoneTable
from app.persistence.health import DatabaseHealth
from app.persistence.sampling import _WORK, TABLES, Sampling
from app.persistence.squeezing import MOST_CHARACTERS
from app.persistence.values import Session
from app.settings import Settings
from app.signals.sample import Sample, Waiting, Work
from tests.gone import gone
from tests.persistence.rows import Process, answered, asking, claimed
from tests.told import Told, between, hearing

BEFORE: Final = "a7c3d5e9f101"
_JOB: Final = "INSERT INTO procrastinate_jobs (queue_name, task_name, status, scheduled_at) VALUES ('milepost', 'a', '{status}', {at})"


def sampling_of(database: Database, *chores: str) -> Sampling:
    return Sampling(database.pool, DatabaseHealth(database.pool), chores)


async def work_of(database: Database, *chores: str) -> Work:
    work = (await sampling_of(database, *chores).sample()).work
    assert work
    return work


def waiting(count: int, least: float, most: float | None = None) -> Waiting:
    """So many, the oldest for about so long."""
    return Waiting(count=count, oldest_seconds=between(least, least + 20 if most is None else most))


async def test_where_nothing_is_there_is_nothing_to_wait_for(database: Database) -> None:
    sample = await sampling_of(database, "prune").sample()
    assert sample.work == Work(done={"prune": 0.0})
    assert sample.schema_found == sample.schema_needed == revisions.head()
    assert set(sample.tables) == set(TABLES)


async def test_a_run_waits_while_no_server_has_it(database: Database, here: Process, user: User, session: Session) -> None:
    age = "UPDATE run SET created_at = now() - interval '100 s'"
    run = await claimed(here, user, session)
    await claimed(here, user, session, waits=True)
    await execute(database.pool, age, {})
    assert (await work_of(database)).runs == Waiting(), "one is being made, and the other waits for its turn and for no server"
    await execute(database.pool, "UPDATE run SET lease_expires_at = now() - interval '50 s' WHERE NOT waiting", {})
    assert (await work_of(database)).runs == waiting(1, 50)
    await here.runs.release(run.id, 1)
    assert (await work_of(database)).runs == waiting(1, 0)
    [taken] = await here.runs.take(1, [])
    assert (taken.id, taken.recovered, taken.waited_seconds) == (run.id, False, between(0, 20))
    assert (await work_of(database)).runs == Waiting()


async def test_a_run_for_a_worker_waits_until_one_takes_it(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session, background=True)
    await execute(database.pool, "UPDATE run SET created_at = now() - interval '100 s'", {})
    await execute(database.pool, "UPDATE procrastinate_events SET at = now() - interval '70 s'", {})
    work = await work_of(database)
    assert (work.runs, work.jobs) == (waiting(1, 100), waiting(1, 70))
    taken = await here.runs.take_queued(run.id)
    assert taken
    assert (taken.waited_seconds, taken.recovered) == (between(100, 120), False)
    assert (await work_of(database)).runs == Waiting()


async def test_a_run_that_is_taken_knows_how_long_it_was_left_and_whether_somebody_died(
    database: Database, here: Process, user: User, session: Session
) -> None:
    await claimed(here, user, session)
    left = "UPDATE run SET created_at = now() - interval '500 s', lease_expires_at = now() - interval '50 s'"
    await execute(database.pool, left, {})
    [taken] = await here.runs.take(1, [])
    assert (taken.recovered, taken.attempt, taken.waited_seconds) == (True, 2, between(50, 70))
    [row] = await fetch_all(database.pool, "SELECT created_at FROM run", {})
    assert abs((taken.accepted_at - row["created_at"]).total_seconds()) < 5


async def test_questions_wait_until_they_are_closed(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    assert await here.runs.finish(asking(run, "one", "two"))
    await execute(database.pool, "UPDATE interrupt SET created_at = now() - interval '1 hour' WHERE id = 'two'", {})
    assert (await work_of(database)).questions == waiting(2, 3_600)
    await execute(database.pool, "UPDATE interrupt SET outcome = 'expired' WHERE id = 'two'", {})
    assert (await work_of(database)).questions == waiting(1, 0)


async def test_sessions_wait_to_be_read(database: Database, here: Process, user: User, session: Session) -> None:
    await answered(here, user, session)
    assert (await work_of(database)).unread == 1
    await execute(database.pool, "UPDATE session SET unremembered_since = NULL", {})
    assert (await work_of(database)).unread == 0


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([("todo", "NULL", 40), ("todo", "NULL", 10)], waiting(2, 40)),
        ([("todo", "now() - interval '90 s'", 200), ("todo", "NULL", 10)], waiting(2, 90)),
        ([("todo", "now() + interval '90 s'", 200), ("doing", "NULL", 300), ("failed", "NULL", 300)], Waiting()),
    ],
)
async def test_a_job_waits_from_when_it_could_be_done(database: Database, jobs: list[tuple[str, str, int]], expected: Waiting) -> None:
    for status, at, age in jobs:
        await execute(database.pool, _JOB.format(status=status, at=at), {})
        # Its trigger has noted when the job came.
        aged = "UPDATE procrastinate_events SET at = now() - make_interval(secs => %(age)s) WHERE at > now() - interval '5 s'"
        await execute(database.pool, aged, {"age": age})
    assert (await work_of(database)).jobs == expected


async def test_chores_and_backups_are_told_with_when_they_were_done(database: Database) -> None:
    [row] = await fetch_all(database.pool, "SELECT extract(epoch FROM now())::float AS now", {})
    done = DoneTable(database.pool)
    for name in ("prune", "of_an_earlier_version", BACKUP):
        await done.note(name)
    work = await work_of(database, "prune", "never")
    assert work.backup == between(row["now"], row["now"] + 30)
    # What nobody does any more would be overdue for ever.
    assert work.done == {"prune": between(row["now"], row["now"] + 30), "never": 0.0}


async def test_what_is_done_every_few_seconds_is_noted_now_and_then(database: Database) -> None:
    done, versions = DoneTable(database.pool), set()
    for age in (0, 5, 11):
        await execute(database.pool, "UPDATE chore_done SET done_at = now() - make_interval(secs => %(age)s)", {"age": age})
        await done.note("often")
        [row] = await fetch_all(database.pool, "SELECT now() - done_at < interval '3 s' AS is_new FROM chore_done", {})
        versions.add((age, row["is_new"]))
    assert versions == {(0, True), (5, False), (11, True)}


async def test_tables_are_told_with_their_rows_and_bytes(database: Database, here: Process, user: User, session: Session) -> None:
    for text in ("One", "Two"):
        await answered(here, user, session, text)
    await execute(database.pool, "ANALYZE", {})
    tables = (await sampling_of(database).sample()).tables
    # An estimate: what was written just before may be counted once more.
    expected = {"run": 2, "message": 4, "user": 1, "checkpoints": 2}
    assert {name: tables[name].rows for name in expected} == {name: between(rows, 2 * rows) for name, rows in expected.items()}
    assert all(size.bytes > 0 for size in tables.values())


async def test_a_schema_that_lacks_the_tables_is_told_and_not_what_would_be_in_them(database: Database, settings: Settings) -> None:
    await asyncio.to_thread(migrate.down, settings.database.url, BEFORE)
    sample = await sampling_of(database).sample()
    assert (sample.schema_found, sample.schema_needed, sample.work) == (BEFORE, revisions.head(), None)
    assert sample.tables["run"].bytes > 0


async def test_a_database_without_a_schema_is_told_as_one(database: Database) -> None:
    await execute(database.pool, "DROP SCHEMA public CASCADE", {})
    sample = await sampling_of(database).sample()
    assert (sample.schema_found, sample.work, sample.tables) == ("", None, {})


async def test_what_is_over_is_not_read(here: Process, user: User, session: Session, database_url: str) -> None:
    """However much there is of it: the plan has no scan of a whole table but the chores' own."""
    await answered(here, user, session)
    fill = """
    INSERT INTO run (id, session_id, user_id, status, attempt, crashes, model, waiting, background, cache, config_version, message_id,
                     body_hash, stop_requested, input_tokens, output_tokens, reasoning_tokens, cached_tokens, created_at)
    SELECT gen_random_uuid(), session_id, user_id, status, 1, 0, model, false, false, false, 0, gen_random_uuid(),
           '', false, 0, 0, 0, 0, now()
      FROM run, generate_series(1, 3000);
    INSERT INTO interrupt (session_id, id, run_id, value, answer_schema, outcome, created_at, expires_at)
    SELECT session_id, gen_random_uuid()::text, id, '{}', '{}', 'answered', now(), now() FROM run;
    INSERT INTO session (id, user_id, name, naming, remembers, temporary, agent, config_version, prunable, created_at, updated_at)
    SELECT gen_random_uuid(), user_id, '', 'done', true, false, 'assistant', 0, false, now(), now() FROM session, generate_series(1, 3000);
    INSERT INTO procrastinate_jobs (queue_name, task_name, status) SELECT 'milepost', 'a', 'failed' FROM generate_series(1, 3000);
    INSERT INTO procrastinate_events (job_id, type) SELECT id, 'failed' FROM procrastinate_jobs;
    ANALYZE;
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(fill)
        plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {_WORK}"))
    scanned = {line.split(" on ")[1].split()[0] for line in plan.splitlines() if "Seq Scan on" in line}
    assert scanned <= {"chore_done"}, plan
    assert len(_WORK) <= MOST_CHARACTERS


class Sampled:
    """What is told while a database is sampled without a pause to speak of."""

    def __init__(self, told: Told) -> None:
        self._told = told

    async def next(self, times: int = 3) -> Sequence[Sample | None]:
        """The next so many."""
        begin = len(self._told)
        async with asyncio.timeout(30):
            while len(self._told) < begin + times:  # noqa: ASYNC110  # a signal has no event
                await asyncio.sleep(0.01)
        return [sample for _, sample in self._told[begin:]]


@asynccontextmanager
async def keeping(sampling: Sampling) -> AsyncIterator[Sampled]:
    with hearing(signals.database_sampled) as told:
        task = asyncio.create_task(sampling.keep_sampling(0.01))
        try:
            yield Sampled(told)
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.mark.variables(DATABASE_CONNECT_SECONDS="0.5")
async def test_a_database_that_goes_is_told_each_time_and_logged_once(database: Database, database_url: str) -> None:
    with capture_logs() as logs:
        async with keeping(sampling_of(database)) as sampled:
            assert all(sample and sample.work == Work() for sample in await sampled.next())
            with gone(database_url):
                await sampled.next(1)  # begun before that, perhaps
                assert await sampled.next() == [None] * 3
            async with asyncio.timeout(30):
                while (await sampled.next(1))[0] is None:
                    pass
    assert [(line["event"], line["error"]) for line in logs if line["event"] == "not_sampled"] == [("not_sampled", "database_unavailable")]
