"""Quotas in the tables: set aside by the claim, counted by the end, exact when many claim at once, and the same as the ledger."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app.persistence.accounts import User
from app.persistence.administration import AccountChange, AdministrationTable
from app.persistence.audit import Actor
from app.persistence.database import Database, execute, fetch_all
from app.persistence.ledger import LedgerTable
from app.persistence.quota_values import OverLimit, QuotaLimits, QuotaState, Wish
from app.persistence.quotas import QuotaTable
from app.persistence.sessions import SessionTable
from app.persistence.spending import LedgerCall
from app.persistence.values import NewRun, RunStatus, Session
from tests.persistence.rows import Process, asking, claimed, finished, new_resumption, new_run, row_of

LIMITS: Final = QuotaLimits(concurrent_runs=50, tokens_per_day=1_000, cost_per_month_usd=1)
WISH: Final = Wish(limits=LIMITS, tokens=100, usd=0.01)


def _call(tokens: int = 60, usd: float | None = 0.003, *, age: timedelta = timedelta(), **changes: Any) -> LedgerCall:
    call = LedgerCall(
        id=uuid7(),
        model="stub",
        purpose="answer",
        input_tokens=tokens - tokens // 3,
        output_tokens=tokens // 3,
        cached_tokens=0,
        reasoning_tokens=0,
        cost_usd=usd,
        latency_ms=5,
        first_token_ms=None,
        from_cache=False,
        error_code=None,
        created_at=datetime.now(UTC) - age,
    )
    return replace(call, **changes)


@pytest.fixture
def quotas(database: Database) -> QuotaTable:
    return QuotaTable(database.pool, patience_seconds=1)


async def _sessions(database: Database, user: User, count: int) -> Sequence[Session]:
    return [await SessionTable(database).add(user.id, f"Number {number}") for number in range(count)]


async def _state(quotas: QuotaTable, user: User) -> QuotaState:
    return await quotas.read(user.id, counts=True)


async def _ledger(database: Database, user: User) -> tuple[int, float]:
    rows = await fetch_all(
        database.pool,
        "SELECT coalesce(sum(input_tokens + output_tokens), 0)::bigint AS tokens, coalesce(sum(cost_usd), 0)::float8 AS usd FROM model_call"
        " WHERE user_id = %(user_id)s AND created_at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
        {"user_id": user.id},
    )
    return rows[0]["tokens"], rows[0]["usd"]


async def _ended(here: Process, run: NewRun, *calls: LedgerCall, **changes: Any) -> bool:
    return await here.runs.finish(finished(run, calls=calls, counted=True, **changes))


async def test_a_run_holds_what_was_set_aside_until_it_ends_and_counts_what_it_came_to(
    here: Process, user: User, session: Session, quotas: QuotaTable
) -> None:
    first = await claimed(here, user, session, wish=WISH)
    state = await _state(quotas, user)
    assert (state.held_tokens, state.held_usd, state.runs, state.day_tokens) == (100, 0.01, 1, 0)

    assert await _ended(here, first, _call(60, 0.003), _call(30, None), input_tokens=70, output_tokens=20)
    state = await _state(quotas, user)
    assert (state.held_tokens, state.runs) == (0, 0)
    assert (state.day_tokens, state.month_tokens, state.day_usd, state.month_usd) == (90, 90, 0.003, 0.003)

    # The next one brings along what the first has come to.
    second = new_run(user, session, wish=replace(WISH, usd_per_token=0.0001))
    claim = await here.turns.claim(second)
    assert claim
    assert claim.held
    assert (claim.held.tokens, round(claim.held.usd, 6), claim.held.state.day_tokens) == (190, 0.019, 90)


async def test_twenty_turns_at_once_pass_the_cap_by_one_reservation_at_the_most(
    database: Database, here: Process, user: User, quotas: QuotaTable
) -> None:
    sessions = await _sessions(database, user, 20)
    wish = replace(WISH, limits=QuotaLimits(tokens_per_day=450))
    claims = await asyncio.gather(*(here.turns.claim(new_run(user, session, wish=wish)) for session in sessions), return_exceptions=True)
    refused = [one for one in claims if isinstance(one, OverLimit)]
    assert len(claims) - len(refused) == 5
    assert {one.limit_name for one in refused} == {"tokens_per_day"}
    assert (await _state(quotas, user)).held_tokens == 500


async def test_as_many_runs_as_the_tier_has_and_none_more(database: Database, here: Process, user: User, quotas: QuotaTable) -> None:
    sessions = await _sessions(database, user, 12)
    wish = Wish(limits=QuotaLimits(concurrent_runs=3))
    claims = await asyncio.gather(*(here.turns.claim(new_run(user, session, wish=wish)) for session in sessions), return_exceptions=True)
    assert [one.limit_name for one in claims if isinstance(one, OverLimit)] == ["concurrent_runs"] * 9
    # One that ends makes room for one, be it that its session is gone.
    [held] = [session for session, claim in zip(sessions, claims, strict=True) if not isinstance(claim, OverLimit)][:1]
    await SessionTable(database).delete(held.id)
    assert (await _state(quotas, user)).runs == 2
    await claimed(here, user, (await _sessions(database, user, 1))[0], wish=wish)
    with pytest.raises(OverLimit, match="concurrent_runs"):
        await here.turns.claim(new_run(user, (await _sessions(database, user, 1))[0], wish=wish))


async def test_what_is_refused_writes_nothing(here: Process, database: Database, user: User, session: Session) -> None:
    first = await claimed(here, user, session, wish=WISH)
    assert await _ended(here, first, _call(1_000))
    with pytest.raises(OverLimit, match="tokens_per_day"):
        await here.turns.claim(new_run(user, session, wish=WISH))
    assert len(await fetch_all(database.pool, "SELECT FROM run", {})) == 1
    assert len(await fetch_all(database.pool, "SELECT FROM message", {})) == 2
    # Others have quotas of their own, and who has none is asked for nothing.
    await claimed(here, user, session)


@pytest.mark.parametrize(
    ("calls", "limits", "name"),
    [
        ((1_000, 0.1), QuotaLimits(tokens_per_day=1_000), "tokens_per_day"),
        ((1_000, 0.1), QuotaLimits(tokens_per_month=1_000, tokens_per_day=1_000), "tokens_per_month"),
        ((10, 0.5), QuotaLimits(tokens_per_day=1_000, cost_per_day_usd=0.5), "cost_per_day_usd"),
        ((10, 0.5), QuotaLimits(cost_per_month_usd=0.4), "cost_per_month_usd"),
    ],
)
async def test_each_limit_is_named(
    here: Process, user: User, session: Session, *, calls: tuple[int, float], limits: QuotaLimits, name: str
) -> None:
    first = await claimed(here, user, session, wish=Wish(limits=limits, tokens=1))
    assert await _ended(here, first, _call(*calls))
    with pytest.raises(OverLimit, match=name):
        await here.turns.claim(new_run(user, session, wish=Wish(limits=limits)))


async def test_the_counters_are_the_ledgers_sums(
    database: Database, here: Process, user: User, session: Session, quotas: QuotaTable
) -> None:
    ledger, told_twice = LedgerTable(database.pool), _call(33)
    # From before there were counters, of yesterday, and of a job.
    await ledger.add(user.id, None, [_call(500), _call(70, age=timedelta(days=1))])
    first = await claimed(here, user, session, wish=WISH)
    await ledger.add(user.id, session.id, [_call(11, 0.5, purpose="naming")])
    assert await _ended(here, first, told_twice, _call(77, age=timedelta(days=1)))
    second = await claimed(here, user, session, wish=WISH)
    # What an attempt tells again was written before, and a run that has lost its attempt writes nothing.
    assert not await here.runs.finish(finished(second, attempt=2, calls=[_call(900)], counted=True))
    assert await _ended(here, second, told_twice, _call(5, 0.25))
    state = await _state(quotas, user)
    tokens, usd = await _ledger(database, user)
    assert (state.day_tokens, round(state.day_usd, 9)) == (tokens, round(usd, 9)) == (500 + 11 + 33 + 5, 0.003 * 2 + 0.5 + 0.25)


async def test_a_new_day_begins_anew_and_the_month_goes_on(
    database: Database, here: Process, user: User, session: Session, quotas: QuotaTable
) -> None:
    first = await claimed(here, user, session, wish=WISH)
    assert await _ended(here, first, _call(200), told=[80, 80])
    state = await _state(quotas, user)
    assert (state.day_told, state.month_told) == (80, 80)
    yesterday = "UPDATE quota SET day = day - 1, day_tokens = 999"
    await execute(database.pool, yesterday, {})
    state = await _state(quotas, user)
    assert (state.day_tokens, state.day_told) == (200, 0)
    assert state.month_told == (80 if datetime.now(UTC).day > 1 else 0)


async def test_an_answer_to_a_question_is_set_aside_for_too(here: Process, user: User, session: Session, quotas: QuotaTable) -> None:
    first = await claimed(here, user, session, wish=WISH)
    assert await here.runs.finish(asking(first, "q1", calls=[_call(950)], counted=True))
    with pytest.raises(OverLimit, match="tokens_per_day"):
        await here.turns.claim_resumption(
            new_resumption(user, session, {"q1": 1}, wish=replace(WISH, limits=QuotaLimits(tokens_per_day=900)))
        )
    assert await here.turns.claim_resumption(new_resumption(user, session, {"q1": 1}, wish=WISH))
    assert (await _state(quotas, user)).held_tokens == 100


async def test_a_run_that_needs_more_is_given_what_there_is(
    database: Database, here: Process, user: User, session: Session, quotas: QuotaTable
) -> None:
    run = await claimed(here, user, session, wish=WISH)
    more = replace(WISH, tokens=900)
    await quotas.extend(user.id, run.id, 1, more)
    assert (await row_of(database, run.id))["reserved_tokens"] == 1_000
    with pytest.raises(OverLimit, match="tokens_per_day"):
        await quotas.extend(user.id, run.id, 1, more)
    # An attempt that has lost its run sets nothing aside.
    await quotas.extend(user.id, run.id, 2, Wish(tokens=5))
    assert (await row_of(database, run.id))["reserved_tokens"] == 1_000


async def test_who_asks_for_more_while_its_run_is_held_keeps_nobody_from_the_counters(
    database: Database, here: Process, user: User, quotas: QuotaTable
) -> None:
    """A lease that is renewed, say, holds several runs in their order: that and an end would else wait for each other in a circle."""
    one, other = [await claimed(here, user, session, wish=WISH) for session in await _sessions(database, user, 2)]
    async with database.pool.connection() as connection, asyncio.timeout(10):
        async with connection.transaction():
            await connection.execute("SELECT FROM run WHERE id = %s FOR UPDATE", [one.id])
            asking_ = asyncio.create_task(quotas.extend(user.id, one.id, 1, WISH))
            while not await fetch_all(database.pool, "SELECT FROM pg_locks WHERE NOT granted", {}):
                assert not asking_.done()
            assert await _ended(here, other, _call(9))
        await asking_
    assert ((await row_of(database, one.id))["reserved_tokens"], (await _state(quotas, user)).day_tokens) == (200, 9)


async def test_a_run_that_is_taken_over_keeps_what_was_set_aside(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session, wish=WISH)
    await execute(database.pool, "UPDATE run SET lease_expires_at = now()", {})
    [taken] = await here.runs.take(1, [])
    assert taken.id == run.id
    assert taken.held
    assert (taken.held.tokens, taken.held.usd, taken.held.state.day_tokens) == (100, 0.01, 0)
    await execute(database.pool, "UPDATE run SET reserved_tokens = NULL, lease_expires_at = now()", {})
    [taken] = await here.runs.take(1, [])
    assert taken.held is None


async def test_who_was_given_another_tier_is_counted_from_the_ledger(
    database: Database, here: Process, user: User, session: Session, quotas: QuotaTable
) -> None:
    assert await _ended(here, await claimed(here, user, session, wish=WISH), _call(10))
    # Of a tier that counts nothing.
    free = await claimed(here, user, session)
    assert await here.runs.finish(finished(free, calls=[_call(400)]))
    assert (await _state(quotas, user)).day_tokens == 10
    await AdministrationTable(database.pool).change(user.id, AccountChange(tier="pro"), Actor(user_id=None, address=None))
    assert (await _state(quotas, user)).day_tokens == 410
    assert await quotas.read(user.id, counts=False) == await _state(quotas, user)


@pytest.mark.parametrize(
    ("counting", "known", "others", "left"),
    [
        (["free"], ["free", "pro"], False, 1),
        (["pro"], ["free", "pro"], False, 0),
        (["pro"], ["pro"], True, 0),
        (["pro"], ["pro"], False, 1),
    ],
)
async def test_counters_of_a_tier_that_counts_nothing_are_dropped(
    database: Database, here: Process, user: User, session: Session, *, counting: list[str], known: list[str], others: bool, left: int
) -> None:
    await claimed(here, user, session, wish=WISH)
    await QuotaTable(database.pool, patience_seconds=1).forget(counting=counting, known=known, others=others)
    assert len(await fetch_all(database.pool, "SELECT FROM quota", {})) == left


async def test_claims_and_ends_of_one_user_never_wait_for_each_other_in_a_circle(
    database: Database, here: Process, user: User, quotas: QuotaTable
) -> None:
    sessions = await _sessions(database, user, 4)
    wish = Wish(limits=QuotaLimits(concurrent_runs=100), tokens=10)

    async def talk(session: Session) -> int:
        turns = 0
        for _ in range(15):
            run = new_run(user, session, wish=wish, waits=True)
            if await here.turns.claim(run):
                turns += await _ended(here, run, _call(7))
        return turns

    turns = sum(await asyncio.gather(*map(talk, sessions), *(_look(quotas, user.id) for _ in range(2))))
    state = await _state(quotas, user)
    assert turns == 60
    assert (state.runs, state.day_tokens) == (0, 7 * turns) == (0, (await _ledger(database, user))[0])


async def _look(quotas: QuotaTable, user_id: UUID) -> int:
    for _ in range(10):
        await quotas.read(user_id, counts=True)
    return 0


async def test_a_run_that_failed_counts_what_it_came_to(here: Process, user: User, session: Session, quotas: QuotaTable) -> None:
    run = await claimed(here, user, session, wish=WISH)
    assert await _ended(here, run, _call(9), status=RunStatus.FAILED)
    assert (await _state(quotas, user)).day_tokens == 9
