"""The queue of background work: jobs are done, tried again when they fail or their worker dies, and tell no secrets."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import pytest
import structlog
from procrastinate import App

from app import signals
from app.errors import ModelUnavailable
from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all
from app.persistence.queue import Chore, Job, names_of, open_queue, work
from app.persistence.values import Session
from tests.persistence.rows import Process, claimed, new_run
from tests.told import between, hearing

_SECRET: Final = "canary-in-a-job"
_NEVER: Final = "0 0 29 2 *"  # on leap days, and not for what was missed long ago


class Done:
    """A job that notes what it is given, and can be made to fail or to stay."""

    def __init__(self) -> None:
        self.given: list[Mapping[str, Any]] = []
        self.came = asyncio.Event()
        self.failures = 0
        self.stays = False

    async def __call__(self, **arguments: Any) -> None:
        self.given.append(arguments)
        self.came.set()
        if self.stays:
            await asyncio.Event().wait()
        if self.failures:
            self.failures -= 1
            raise LookupError(_SECRET)

    async def times(self, count: int) -> None:
        """Return when it has been begun so often."""
        async with asyncio.timeout(15):
            while len(self.given) < count:
                self.came.clear()
                await self.came.wait()


@asynccontextmanager
async def worker(database: Database, jobs: Mapping[str, Job], chores: Sequence[Chore] = ()) -> AsyncGenerator[App]:
    """A worker as a process runs it; leaving is being told to stop."""
    async with open_queue(database.pool, jobs, chores) as queue:
        working = asyncio.create_task(work(queue, concurrency=2))
        try:
            yield queue
        finally:
            working.cancel()
            await asyncio.wait([working], timeout=15)
            assert working.cancelled()


async def job_rows(database: Database, task: str = "make_run") -> list[dict[str, Any]]:
    statement = "SELECT *, scheduled_at > now() AS is_later FROM procrastinate_jobs WHERE task_name = %(task)s ORDER BY id"
    return await fetch_all(database.pool, statement, {"task": task})


async def until_rows(database: Database, **wanted: object) -> dict[str, Any]:
    """The one job's row, when it has come so far."""
    async with asyncio.timeout(15):
        while True:
            [row] = await job_rows(database)
            if {name: row[name] for name in wanted} == wanted:
                return row
            await asyncio.sleep(0.02)


async def until_gone(database: Database) -> None:
    async with asyncio.timeout(15):
        while await job_rows(database):  # noqa: ASYNC110  # the queue has no event for it
            await asyncio.sleep(0.02)


async def hasten(database: Database) -> None:
    """Make what is to be tried later due now."""
    await execute(database.pool, "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE scheduled_at > now()", {})


async def a_job(here: Process, user: User, session: Session) -> UUID:
    """A run for a worker."""
    return (await claimed(here, user, session, background=True)).id


async def test_a_job_that_a_claim_left_is_done_and_then_gone(database: Database, here: Process, user: User, session: Session) -> None:
    make_run = Done()
    async with worker(database, {"make_run": make_run}):
        run = new_run(user, session, background=True)
        assert await here.turns.claim(run)
        await make_run.times(1)
        await until_gone(database)
    assert make_run.given == [{"run_id": str(run.id)}]


async def test_a_job_that_was_there_before_its_worker_is_done_by_one_of_two(
    database: Database, here: Process, user: User, session: Session
) -> None:
    run_id = await a_job(here, user, session)
    make_run, name_session = Done(), Done()
    async with worker(database, {"make_run": make_run}), worker(database, {"make_run": make_run, "name_session": name_session}):
        await make_run.times(1)
        await until_gone(database)
    assert (make_run.given, name_session.given) == ([{"run_id": str(run_id)}], [])


async def test_a_job_that_fails_is_tried_again_later_and_then_done(database: Database, here: Process, user: User, session: Session) -> None:
    run_id = await a_job(here, user, session)
    make_run = Done()
    make_run.failures = 1
    async with worker(database, {"make_run": make_run}):
        failed = await until_rows(database, status="todo", attempts=1)
        assert failed["is_later"]
        assert len(make_run.given) == 1
    await hasten(database)
    async with worker(database, {"make_run": make_run}):
        await make_run.times(2)
    assert make_run.given == [{"run_id": str(run_id)}] * 2


async def test_a_job_that_always_fails_is_given_up(database: Database, here: Process, user: User, session: Session) -> None:
    await a_job(here, user, session)
    make_run = Done()
    make_run.failures = 1000
    for tried in range(1, 6):
        async with worker(database, {"make_run": make_run}):
            assert (await until_rows(database, status="todo", attempts=tried))["is_later"]
        await hasten(database)
    async with worker(database, {"make_run": make_run}):
        await until_rows(database, status="failed", attempts=6)
    assert len(make_run.given) == 6


async def test_of_a_job_that_fails_the_kind_of_error_is_told_and_no_word_of_it(
    database: Database, here: Process, user: User, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    await a_job(here, user, session)
    make_run = Done()
    make_run.failures = 1
    with caplog.at_level(logging.DEBUG, logger="procrastinate"):
        async with worker(database, {"make_run": make_run}):
            await until_rows(database, status="todo", attempts=1)
    assert "JobFailed: LookupError" in caplog.text
    assert _SECRET not in caplog.text
    told = [record.exc_info[1] for record in caplog.records if record.exc_info]
    # The worker's own end is no failure of a job.
    failures = [(type(error).__name__, str(error)) for error in told if not isinstance(error, asyncio.CancelledError)]
    assert failures == [("JobFailed", "LookupError")]
    assert _SECRET not in str(await job_rows(database))


async def test_a_bug_in_a_job_is_told_by_where_it_is_and_an_error_of_ours_by_its_code(
    database: Database, here: Process, user: User, session: Session
) -> None:
    await a_job(here, user, session)
    errors: list[Exception] = [ModelUnavailable(_SECRET), LookupError(_SECRET)]

    async def make_run(run_id: str) -> None:  # noqa: ARG001  # what a job is given
        raise errors.pop(0)

    with structlog.testing.capture_logs() as logged:
        for done in (1, 2):
            async with worker(database, {"make_run": make_run}):
                await until_rows(database, status="todo", attempts=done)
            await hasten(database)
    [crash] = [line for line in logged if line["event"] == "job_crashed"]
    assert (crash["task"], crash["error"]) == ("make_run", "LookupError")
    assert "in make_run" in crash["frames"][-1]
    [failure] = [line for line in logged if line["event"] == "job_failed"]
    assert (failure["task"], failure["error"], failure["log_level"]) == ("make_run", "model_unavailable", "warning")
    assert _SECRET not in str(logged)


async def test_a_job_whose_worker_died_is_done_by_another(database: Database, here: Process, user: User, session: Session) -> None:
    run_id = await a_job(here, user, session)
    await held_by_a_worker(database, silent_seconds=31)
    make_run = Done()
    async with worker(database, {"make_run": make_run}):
        await make_run.times(1)
    assert make_run.given == [{"run_id": str(run_id)}]


async def test_a_job_whose_worker_dies_beside_a_living_one_is_done_by_that(
    database: Database, here: Process, user: User, session: Session
) -> None:
    """It is found by the chore: a worker that has begun looks for dead ones no more by itself."""
    make_run = Done()
    async with open_queue(database.pool, {"make_run": make_run}, []) as queue:
        run_id = await a_job(here, user, session)
        await held_by_a_worker(database, silent_seconds=31)
        await queue.tasks["retry_stalled"](timestamp=0)
        [row] = await job_rows(database)
        assert row["status"] == "todo"
    async with worker(database, {"make_run": make_run}):
        await make_run.times(1)
    assert make_run.given == [{"run_id": str(run_id)}]


async def test_a_job_whose_worker_has_been_heard_of_is_left_to_it(database: Database, here: Process, user: User, session: Session) -> None:
    await a_job(here, user, session)
    await held_by_a_worker(database, silent_seconds=20)
    make_run, marker = Done(), Done()
    async with worker(database, {"make_run": make_run, "name_session": marker}) as queue:
        await queue.tasks["retry_stalled"](timestamp=0)
        await queue.tasks["name_session"].defer_async(session_id="a later job")
        await marker.times(1)
        assert make_run.given == []
        [row] = await job_rows(database)
        assert row["status"] == "doing"


async def held_by_a_worker(database: Database, *, silent_seconds: float) -> None:
    """The job is being done by a worker that has last been heard of so long ago."""
    statement = """
    WITH silent AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %(seconds)s)) RETURNING id)
    UPDATE procrastinate_jobs SET status = 'doing', worker_id = silent.id FROM silent
    """
    assert await execute(database.pool, statement, {"seconds": silent_seconds}) == 1


async def test_a_job_that_is_under_way_when_its_worker_is_told_to_stop_is_done_by_the_next(
    database: Database, here: Process, user: User, session: Session
) -> None:
    run_id = await a_job(here, user, session)
    make_run = Done()
    make_run.stays = True
    async with worker(database, {"make_run": make_run}):
        await make_run.times(1)
    make_run.stays = False
    [row] = await job_rows(database)
    assert row["status"] in ("todo", "doing"), "it must not count as done or given up"
    await hasten(database)
    async with worker(database, {"make_run": make_run}):
        await make_run.times(2)
    assert make_run.given == [{"run_id": str(run_id)}] * 2


async def test_chores_are_done_at_their_times_by_one_worker_each_time(database: Database) -> None:
    often, never = Done(), Done()
    chores = [Chore(name="often", cron="* * * * * *", do=often), Chore(name="never", cron=_NEVER, do=never)]
    begun = time.monotonic()
    async with worker(database, {}, chores), worker(database, {}, chores):
        await often.times(5)
    assert time.monotonic() - begun > 2.9, "one a second, after the one that was due"
    assert never.given == []


async def test_a_chore_that_fails_is_done_the_next_time_all_the_same(database: Database) -> None:
    often = Done()
    often.failures = 1
    async with worker(database, {}, [Chore(name="often", cron="* * * * * *", do=often)]):
        await often.times(2)


async def test_old_jobs_that_failed_are_forgotten_and_those_to_be_done_are_not(
    database: Database, here: Process, user: User, session: Session
) -> None:
    await a_job(here, user, session)
    old = """
    WITH given_up AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('milepost', 'given_up', 'failed') RETURNING id
    )
    INSERT INTO procrastinate_events (job_id, type, at) SELECT id, 'failed', now() - interval '25 hours' FROM given_up
    """
    await execute(database.pool, old, {})
    await execute(database.pool, "UPDATE procrastinate_events SET at = now() - interval '25 hours'", {})
    async with open_queue(database.pool, {}, []) as queue:
        await queue.tasks["retry_stalled"](timestamp=0)
    assert await job_rows(database, "given_up") == []
    assert len(await job_rows(database)) == 1


async def test_a_run_whose_job_is_gone_gets_another(database: Database, here: Process, user: User, session: Session) -> None:
    run_id = await a_job(here, user, session)
    await execute(database.pool, "DELETE FROM procrastinate_jobs", {})
    await here.turns.requeue()
    assert await job_rows(database) == [], "it is too new to be missed"
    await execute(database.pool, "UPDATE run SET created_at = now() - interval '2 minutes'", {})
    for _ in range(2):
        await here.turns.requeue()
        assert [row["args"] for row in await job_rows(database)] == [{"run_id": str(run_id)}]


async def test_what_became_of_each_job_is_told(database: Database, here: Process, user: User, session: Session) -> None:
    await a_job(here, user, session)
    make_run = Done()
    make_run.failures = 1
    with hearing(signals.job_done) as told:
        async with worker(database, {"make_run": make_run}):
            await until_rows(database, status="todo", attempts=1)
            await hasten(database)
        async with worker(database, {"make_run": make_run}):
            await until_gone(database)
    assert [one for one in told if one[1] == "make_run"] == [("job_done", "make_run", outcome, between()) for outcome in ("failed", "ok")]


async def test_a_job_that_is_left_to_the_next_worker_is_not_told(database: Database, here: Process, user: User, session: Session) -> None:
    await a_job(here, user, session)
    make_run = Done()
    make_run.stays = True
    with hearing(signals.job_done) as told:
        async with worker(database, {"make_run": make_run}):
            await make_run.times(1)
    assert [one for one in told if one[1] == "make_run"] == []


async def test_when_a_chore_was_last_done_well_is_kept_and_no_failure_of_it(database: Database) -> None:
    well, badly = Done(), Done()
    badly.failures = 1_000
    chores = [Chore(name="well", cron="* * * * * *", do=well), Chore(name="badly", cron="* * * * * *", do=badly)]
    with hearing(signals.job_done) as told:
        async with worker(database, {}, chores) as queue:
            assert names_of(queue) == ["well", "badly", "retry_stalled"]
            await asyncio.gather(well.times(3), badly.times(3))
    assert {one[1:3] for one in told} >= {("well", "ok"), ("badly", "failed")}
    rows = await fetch_all(database.pool, "SELECT name, now() - done_at < interval '30 s' AS is_new FROM chore_done", {})
    assert {row["name"]: row["is_new"] for row in rows if row["name"] != "retry_stalled"} == {"well": True}


async def test_a_chore_is_done_though_it_cannot_be_noted(database: Database) -> None:
    await execute(database.pool, "DROP TABLE chore_done", {})
    often = Done()
    with hearing(signals.job_done) as told, structlog.testing.capture_logs() as logged:
        async with worker(database, {}, [Chore(name="often", cron="* * * * * *", do=often)]):
            await often.times(2)
    assert {one[1:3] for one in told if one[1] == "often"} == {("often", "ok")}
    assert ("chore_not_noted", "often") in {(line["event"], line.get("task")) for line in logged}
