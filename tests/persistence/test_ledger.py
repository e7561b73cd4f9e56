"""The ledger: what a run or a job paid is written once, survives what it was paid for, and adds up."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all
from app.persistence.ledger import LedgerTable
from app.persistence.sessions import SessionTable
from app.persistence.spending import LedgerCall
from app.persistence.users import UserTable
from app.persistence.values import RunStatus, Session
from tests.persistence.rows import Process, asking, claimed, finished

NOON: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY: Final = NOON.date()


def call(**changes: Any) -> LedgerCall:
    plain = LedgerCall(
        id=uuid7(),
        model="stub",
        purpose="answer",
        input_tokens=100,
        output_tokens=10,
        cached_tokens=40,
        reasoning_tokens=3,
        cost_usd=0.1,
        latency_ms=900,
        first_token_ms=80,
        from_cache=False,
        error_code=None,
        created_at=NOON,
    )
    return replace(plain, **changes)


async def written(database: Database) -> list[dict[str, Any]]:
    return await fetch_all(database.pool, "SELECT * FROM model_call ORDER BY id", {})


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.INTERRUPTED])
async def test_the_calls_of_a_run_are_written_with_its_end(
    database: Database, here: Process, user: User, session: Session, status: RunStatus
) -> None:
    run = await claimed(here, user, session)
    cut = call(cost_usd=None, first_token_ms=None, error_code="run_cancelled", created_at=NOON + timedelta(seconds=1))
    told = call(cost_usd=1.25e-10)
    end = asking(run, "q", calls=[told, cut]) if status is RunStatus.INTERRUPTED else finished(run, status=status, calls=[told, cut])
    assert await here.runs.finish(end)
    rows = await written(database)
    assert [{name: row[name] for name in ("user_id", "session_id", "run_id", "attempt")} for row in rows] == [
        {"user_id": user.id, "session_id": session.id, "run_id": run.id, "attempt": 1}
    ] * 2
    of_calls = [LedgerCall(**{name: row[name] for name in LedgerCall.__slots__}) for row in sorted(rows, key=lambda row: row["created_at"])]
    assert [replace(one, cost_usd=one.cost_usd and float(one.cost_usd)) for one in of_calls] == [told, cut]


async def test_an_attempt_that_has_lost_its_run_writes_no_calls(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    assert not await here.runs.finish(finished(run, attempt=2, calls=[call()]))
    assert await written(database) == []


async def test_a_call_that_is_told_twice_is_written_once(database: Database, here: Process, user: User, session: Session) -> None:
    run, twice = await claimed(here, user, session), call()
    await LedgerTable(database.pool).add(user.id, session.id, [twice])
    assert await here.runs.finish(finished(run, calls=[twice, call(), call()]))
    assert len(await written(database)) == 3


@pytest.mark.parametrize("how", ["delete", "clear"])
async def test_what_was_paid_for_may_be_forgotten_and_what_was_paid_is_not(
    database: Database, here: Process, user: User, session: Session, how: str
) -> None:
    run = await claimed(here, user, session)
    assert await here.runs.finish(finished(run, calls=[call()]))
    sessions = SessionTable(database)
    await (sessions.delete(session.id) if how == "delete" else sessions.clear(session.id))
    [row] = await written(database)
    assert (row["session_id"], row["run_id"]) == (session.id, run.id)
    await execute(database.pool, 'DELETE FROM "user"', {})
    assert await written(database) == [], "a user goes with all that is theirs"


async def test_the_calls_of_a_job_are_the_users_and_nobodys_run(database: Database, user: User, session: Session) -> None:
    ledger = LedgerTable(database.pool)
    await ledger.add(user.id, session.id, [call(purpose="naming")])
    await ledger.add(user.id, None, [call(purpose="memory")])
    await ledger.add(uuid4(), None, [call()])
    assert [(row["purpose"], row["session_id"], row["run_id"], row["attempt"]) for row in await written(database)] == [
        ("naming", session.id, None, None),
        ("memory", None, None, None),
    ]


async def test_a_users_calls_add_up_by_day_and_model(database: Database, user: User) -> None:
    ledger, bob = LedgerTable(database.pool), await UserTable(database).add("bob@example.com", "not-a-hash")
    midnight = NOON.replace(hour=0)
    await ledger.add(
        user.id,
        None,
        [
            *(call(created_at=midnight + timedelta(hours=2 * hour)) for hour in range(10)),
            call(created_at=midnight - timedelta(microseconds=1)),
            call(created_at=midnight + timedelta(days=1), cost_usd=0.2),
            call(model="another", cost_usd=None),
            call(model="another", cost_usd=None, error_code="model_timeout", input_tokens=0),
            call(model="cached", from_cache=True, cost_usd=None, input_tokens=0),
        ],
    )
    await ledger.add(bob.id, None, [call(input_tokens=10**6)])
    days, total = await ledger.spent(user.id, DAY, DAY)
    assert [(one.day, one.model, one.spent.calls, one.spent.cost_usd) for one in days] == [
        (DAY, "another", 2, None),
        (DAY, "cached", 1, None),
        (DAY, "stub", 10, 1.0),  # to the last digit, which ten floats of 0.1 are not
    ]
    assert [(one.spent.unpriced_calls, one.spent.failed_calls, one.spent.from_cache_calls) for one in days] == [
        (2, 1, 0),
        (0, 0, 1),
        (0, 0, 0),
    ]
    assert (total.calls, total.unpriced_calls, total.cost_usd) == (13, 2, 1.0)
    assert (total.input_tokens, total.output_tokens, total.cached_tokens, total.reasoning_tokens) == (1100, 130, 520, 39)
    days, total = await ledger.spent(user.id, DAY - timedelta(days=1), DAY + timedelta(days=1))
    assert [one.day for one in days] == [DAY - timedelta(days=1), DAY, DAY, DAY, DAY + timedelta(days=1)]
    assert total.cost_usd == 1.3


async def test_who_has_asked_nothing_has_paid_nothing_that_is_known(database: Database, user: User) -> None:
    days, total = await LedgerTable(database.pool).spent(user.id, date(2000, 1, 1), date(2999, 12, 31))
    assert (days, total.calls, total.input_tokens, total.cost_usd) == ([], 0, 0, None)
