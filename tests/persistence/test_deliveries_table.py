"""Deliveries in the tables: once for each webhook, tried by one at a time, and every write of a try its own."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all
from app.persistence.deliveries import DeliveryTable
from app.persistence.users import UserTable
from app.persistence.values import RunStatus, Session
from app.persistence.webhook_values import BegunDelivery, Outcome
from tests.persistence.rows import Process, claimed, finished, jobs
from tests.persistence.webhooks import webhook

TAKEN = Outcome(ok=True, http_status=204, ms=1, error=None)
REFUSED = Outcome(ok=False, http_status=500, ms=1, error="refused", again_seconds=60)


async def ended(here: Process, user: User, session: Session, status: RunStatus = RunStatus.COMPLETED) -> UUID:
    run = await claimed(here, user, session)
    assert await here.runs.finish(finished(run, status=status))
    return run.id


async def begun(deliveries: DeliveryTable, delivery_id: UUID) -> BegunDelivery:
    found = await deliveries.begin(delivery_id, busy=[], seconds=60)
    assert found
    return found


async def waiting(database: Database, here: Process, user: User, session: Session) -> tuple[DeliveryTable, UUID]:
    """A delivery whose job is there."""
    deliveries = DeliveryTable(database.pool)
    await deliveries.announce(await ended(here, user, session))
    [delivery] = await jobs(database, "deliver")
    return deliveries, delivery


async def row(database: Database) -> dict[str, Any]:
    [found] = await fetch_all(database.pool, "SELECT *, next_at > now() AS is_later FROM webhook_delivery", {})
    return found


async def hasten(database: Database, seconds: int = 0) -> None:
    await execute(database.pool, "UPDATE webhook_delivery SET next_at = now() - make_interval(secs => %(s)s)", {"s": seconds})


async def test_the_end_of_a_run_has_a_job_only_where_somebody_wants_to_know_of_it(
    database: Database, here: Process, user: User, session: Session
) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    await webhook(database, bob)
    await ended(here, user, session)
    assert await jobs(database, "announce_run") == []
    mine = await webhook(database, user)
    await ended(here, user, session, RunStatus.CANCELLED)
    assert await jobs(database, "announce_run") == []
    run = await ended(here, user, session)
    assert await jobs(database, "announce_run") == [run]
    await execute(database.pool, "UPDATE webhook SET is_on = false WHERE id = %(id)s", {"id": mine})
    await ended(here, user, session)
    assert await jobs(database, "announce_run") == [run]


async def test_an_end_is_announced_once_however_often_the_job_is_done(
    database: Database, here: Process, user: User, session: Session
) -> None:
    wanted = {await webhook(database, user), await webhook(database, user, session_id=session.id)}
    await webhook(database, user, statuses=["failed"])
    deliveries, run = DeliveryTable(database.pool), await ended(here, user, session)
    await asyncio.gather(*(deliveries.announce(run) for _ in range(4)))
    found = await fetch_all(database.pool, "SELECT id, webhook_id FROM webhook_delivery", {})
    assert ({one["webhook_id"] for one in found}, len(found)) == (wanted, 2)
    assert sorted(await jobs(database, "deliver")) == sorted(one["id"] for one in found)


async def test_of_many_who_try_at_once_one_does(database: Database, here: Process, user: User, session: Session) -> None:
    await webhook(database, user)
    deliveries, delivery = await waiting(database, here, user, session)
    tries = await asyncio.gather(*(deliveries.begin(delivery, busy=[], seconds=60) for _ in range(4)))
    assert [one.attempt for one in tries if one] == [1]
    await deliveries.put_off(delivery, 1)
    assert (await row(database))["status"] == "trying"
    assert len(await jobs(database, "deliver")) == 1


async def test_who_was_frozen_in_a_try_writes_nothing_after_another_has_made_it(
    database: Database, here: Process, user: User, session: Session
) -> None:
    await webhook(database, user)
    deliveries, delivery = await waiting(database, here, user, session)
    frozen = await begun(deliveries, delivery)
    await hasten(database)
    second = await begun(deliveries, delivery)
    assert (frozen.id, second.attempt) == (second.id, 2)
    await deliveries.record(second, TAKEN, 5)
    await deliveries.record(frozen, REFUSED, 5)
    found = await row(database)
    assert (found["status"], len(found["tries"]), found["failures"]) == ("delivered", 1, 0)


async def test_a_try_that_failed_waits_for_its_time_and_has_a_job_then(
    database: Database, here: Process, user: User, session: Session
) -> None:
    await webhook(database, user)
    deliveries, delivery = await waiting(database, here, user, session)
    assert await deliveries.record(await begun(deliveries, delivery), REFUSED, 5) is False
    assert await deliveries.begin(delivery, busy=[], seconds=60) is None
    due = "SELECT scheduled_at > now() + interval '50 s' AS is_later FROM procrastinate_jobs WHERE task_name = 'deliver' ORDER BY id"
    assert [one["is_later"] for one in await fetch_all(database.pool, due, {})] == [None, True]
    await hasten(database)
    assert (await begun(deliveries, delivery)).failures == 1


async def test_one_whose_worker_died_in_it_is_found_again(database: Database, here: Process, user: User, session: Session) -> None:
    await webhook(database, user)
    deliveries, delivery = await waiting(database, here, user, session)
    assert await deliveries.requeue() == 0
    await execute(database.pool, "UPDATE procrastinate_jobs SET status = 'doing'", {})
    assert await begun(deliveries, delivery)
    assert await deliveries.requeue() == 0
    await hasten(database, seconds=11)
    assert [await deliveries.requeue() for _ in range(2)] == [1, 0]
    assert await jobs(database, "deliver") == [delivery]


async def test_of_many_tries_the_latest_are_kept(database: Database, here: Process, user: User, session: Session) -> None:
    await webhook(database, user)
    deliveries, delivery = await waiting(database, here, user, session)
    for _ in range(23):
        await hasten(database)
        await deliveries.record(await begun(deliveries, delivery), REFUSED, 5)
    assert [one["attempt"] for one in (await row(database))["tries"]] == [*range(4, 24)]


@pytest.mark.parametrize(("days", "left"), [(30, 1), (0, 0)])
async def test_the_log_ends_at_its_age_and_what_is_not_over_stays(
    days: int, left: int, *, database: Database, here: Process, user: User, session: Session
) -> None:
    await webhook(database, user)
    deliveries, delivery = await waiting(database, here, user, session)
    assert await deliveries.forget(0, 10) == 0
    await deliveries.record(await begun(deliveries, delivery), TAKEN, 5)
    await deliveries.forget(days, 10)
    assert len(await fetch_all(database.pool, "SELECT FROM webhook_delivery", {})) == left


async def test_a_session_that_is_deleted_takes_its_webhook_and_its_deliveries_along(
    database: Database, here: Process, user: User, session: Session
) -> None:
    await webhook(database, user, session_id=session.id)
    await webhook(database, user)
    deliveries, run = DeliveryTable(database.pool), await ended(here, user, session)
    await deliveries.announce(run)
    trying = await begun(deliveries, (await jobs(database, "deliver"))[0])
    await execute(database.pool, "DELETE FROM session", {})
    assert await deliveries.record(trying, TAKEN, 5) is False
    left = "SELECT (SELECT count(*) FROM webhook) AS webhooks, (SELECT count(*) FROM webhook_delivery) AS deliveries"
    assert await fetch_all(database.pool, left, {}) == [{"webhooks": 1, "deliveries": 0}]
