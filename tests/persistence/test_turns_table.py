"""The turn of a session: one run has it, others wait in order, and each claim is whole or nothing."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from app.persistence.accounts import User
from app.persistence.channels import WORK
from app.persistence.database import Database, fetch_all
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.persistence.values import Claim, NewRun, Role, RunStatus, Session
from tests.persistence.moments import once, until_waiting
from tests.persistence.rows import (
    Process,
    answered,
    asking,
    claimed,
    contents,
    finished,
    head_of,
    jobs,
    new_resumption,
    new_run,
    outcomes,
    process,
    row_of,
)

QUESTION = "When does the train leave?"


async def rows_of(database: Database, session: Session) -> int:
    return len(await fetch_all(database.pool, "SELECT id FROM run WHERE session_id = %(id)s", {"id": session.id}))


async def test_a_claim_writes_the_question_and_names_the_session(database: Database, here: Process, user: User, session: Session) -> None:
    run = new_run(user, session)
    assert await here.turns.claim(run) == Claim(queued=False, from_checkpoint=None, parent_status=None)
    assert await here.turns.live_run(session.id) == run.id
    [said] = await SessionTable(database).transcript(session.id, limit=5, before=None)
    assert (said.id, said.role, said.content, said.status) == (run.asked_id, Role.USER, QUESTION, RunStatus.COMPLETED)
    named = await SessionTable(database).read(user.id, session.id)
    assert named
    assert (named.name, named.name_is_final) == ("The train", False)
    assert named.updated_at > session.updated_at
    row = await row_of(database, run.id)
    assert (row["status"], row["attempt"], row["crashes"], row["owner"], row["waiting"]) == ("running", 1, 0, here.owner, False)
    assert row["started_at"] is not None
    assert await head_of(database, session) == run.id
    assert await jobs(database, "make_run") == []


async def test_the_next_claim_goes_on_from_where_the_one_before_it_ended(
    database: Database, here: Process, user: User, session: Session
) -> None:
    first = await answered(here, user, session)
    second = new_run(user, session)
    assert await here.turns.claim(second) == Claim(queued=False, from_checkpoint="at A", parent_status=RunStatus.COMPLETED)
    row = await row_of(database, second.id)
    assert (row["parent_id"], row["from_checkpoint"]) == (first.id, "at A")


async def test_a_run_that_ends_without_a_checkpoint_ends_where_it_began(here: Process, user: User, session: Session) -> None:
    await answered(here, user, session)
    second = await claimed(here, user, session)
    assert await here.runs.finish(finished(second, status=RunStatus.FAILED))
    assert await here.turns.claim(new_run(user, session)) == Claim(queued=False, from_checkpoint="at A", parent_status=RunStatus.FAILED)


@pytest.mark.parametrize("from_the_start", [True, False])
async def test_a_fork_goes_on_from_the_run_it_names(
    database: Database, here: Process, user: User, session: Session, *, from_the_start: bool
) -> None:
    first = await answered(here, user, session, "A")
    await answered(here, user, session, "B")
    parent = None if from_the_start else first.id
    claim = await here.turns.claim(fork := new_run(user, session, forks=True, parent_id=parent))
    assert claim
    assert claim.from_checkpoint == (None if from_the_start else "at A")
    assert (await row_of(database, fork.id))["parent_id"] == parent
    assert await head_of(database, session) == fork.id


async def test_a_session_that_has_a_name_keeps_it(database: Database, here: Process, user: User) -> None:
    session = await SessionTable(database).add(user.id, "Mine")
    await claimed(here, user, session)
    kept = await SessionTable(database).read(user.id, session.id)
    assert kept
    assert (kept.name, kept.name_is_final) == ("Mine", True)


async def test_of_fifty_claims_at_once_one_gets_the_turn_and_leaves_the_one_run(database: Database, user: User, session: Session) -> None:
    processes = [process(database), process(database)]
    claims = await asyncio.gather(*(processes[number % 2].turns.claim(new_run(user, session)) for number in range(50)))
    assert Counter(bool(claim) for claim in claims) == {True: 1, False: 49}
    assert await contents(database, session) == [QUESTION]
    assert await rows_of(database, session) == 1


async def test_of_fifty_background_claims_at_once_one_leaves_a_job(database: Database, here: Process, user: User, session: Session) -> None:
    wanted = [new_run(user, session, background=True) for _ in range(50)]
    claims = await asyncio.gather(*map(here.turns.claim, wanted))
    [got] = [run.id for run, claim in zip(wanted, claims, strict=True) if claim]
    assert await jobs(database, "make_run") == [got]
    assert await rows_of(database, session) == 1


async def test_sessions_do_not_wait_for_each_other(database: Database, here: Process, user: User) -> None:
    sessions = [await SessionTable(database).add(user.id, "") for _ in range(5)]
    assert all(await asyncio.gather(*(here.turns.claim(new_run(user, session)) for session in sessions)))


async def test_nobody_takes_a_turn_in_a_session_of_somebody_elses(database: Database, here: Process, session: Session) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    for changes in ({}, {"waits": True}, {"background": True}):
        assert not await here.turns.claim(new_run(bob, session, **changes))
    assert await here.turns.live_run(session.id) is None
    assert await contents(database, session) == []
    assert await rows_of(database, session) == 0
    assert await jobs(database, "make_run") == []


async def test_a_session_that_is_gone_has_no_turn_to_take(here: Process, user: User, session: Session) -> None:
    assert not await here.turns.claim(new_run(user, replace(session, id=uuid4())))


async def test_one_key_starts_one_run_in_whichever_session(database: Database, here: Process, user: User, session: Session) -> None:
    first = await claimed(here, user, session, idempotency_key="once")
    assert await here.runs.finish(finished(first))
    other = await SessionTable(database).add(user.id, "")
    for changes in ({}, {"waits": True}, {"background": True}):
        assert not await here.turns.claim(new_run(user, other, idempotency_key="once", **changes))
    assert await contents(database, other) == []
    assert await jobs(database, "make_run") == []
    before = await here.turns.sent_before(user.id, "once")
    assert before
    assert (before.id, before.body_hash) == (first.id, first.body_hash)


async def test_two_users_may_use_the_same_key(database: Database, here: Process, user: User, session: Session) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    await claimed(here, user, session, idempotency_key="once")
    await claimed(here, bob, await SessionTable(database).add(bob.id, ""), idempotency_key="once")
    assert await here.turns.sent_before(uuid4(), "once") is None


async def test_a_claim_in_the_moment_in_which_a_run_ends_begins_where_that_ended(
    database_url: str, here: Process, user: User, session: Session
) -> None:
    """What the claim reads, and what its index then says, are of two moments: a conversation must not be forgotten between them."""
    first = await claimed(here, user, session)
    async with await psycopg.AsyncConnection.connect(database_url) as ending:
        await ending.execute("UPDATE run SET status = 'completed', checkpoint = 'the end', finished_at = now() WHERE id = %s", [first.id])
        claiming = asyncio.create_task(here.turns.claim(new_run(user, session)))
        await once(until_waiting_or_done(database_url, claiming))
        await ending.commit()
    claim = await once(claiming)
    assert claim is None or claim.from_checkpoint == "the end"


async def until_waiting_or_done(url: str, task: asyncio.Task[Claim | None]) -> None:
    waiting = asyncio.create_task(until_waiting(url, 1))
    await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def test_a_run_that_waits_is_said_to_and_leaves_the_turn_where_it_is(
    database: Database, here: Process, user: User, session: Session
) -> None:
    holder = await claimed(here, user, session)
    waiting = new_run(user, session, text="And back?", waits=True)
    claim = await here.turns.claim(waiting)
    assert claim
    assert claim.queued
    assert await here.turns.live_run(session.id) == holder.id
    assert await head_of(database, session) == holder.id
    row = await row_of(database, waiting.id)
    assert (row["status"], row["waiting"], row["started_at"]) == ("queued", True, None)
    [shown] = await here.turns.waiting(session.id)
    assert (shown.run_id, shown.text) == (waiting.id, "And back?")
    assert await contents(database, session) == [QUESTION], "what waits is not yet said"


async def test_who_would_wait_where_nobody_has_the_turn_gets_it(here: Process, user: User, session: Session) -> None:
    claim = await here.turns.claim(run := new_run(user, session, waits=True))
    assert claim
    assert not claim.queued
    assert await here.turns.live_run(session.id) == run.id
    assert await here.turns.waiting(session.id) == []


async def test_the_turn_goes_from_end_to_end_in_the_order_of_coming(
    database: Database, here: Process, user: User, session: Session
) -> None:
    runs = [await claimed(here, user, session, text=text, waits=True) for text in "ABC"]
    assert [run.run_id for run in await here.turns.waiting(session.id)] == [run.id for run in runs[1:]]
    assert list(await here.turns.in_the_way(session.id)) == [runs[2].id, runs[1].id, runs[0].id]
    for before, run in zip([None, *runs], runs, strict=False):
        assert await here.turns.live_run(session.id) == await head_of(database, session) == run.id
        row = await row_of(database, run.id)
        assert (row["parent_id"], row["from_checkpoint"]) == ((before.id, f"at {before.text}") if before else (None, None))
        await here.runs.take(20, [])
        assert await here.runs.finish(finished(run, content=run.text.lower(), checkpoint=f"at {run.text}"))
    assert await here.turns.live_run(session.id) is None
    assert await contents(database, session) == ["A", "a", "B", "b", "C", "c"]
    assert await jobs(database, "make_run") == []


async def test_runs_that_wait_are_answered_in_the_order_they_are_shown_in(
    database: Database, here: Process, user: User, session: Session
) -> None:
    """Of two messages sent at the same time the later one may get the turn first."""
    sent_first = new_run(user, session, text="A", waits=True)
    await answered_after(here, await claimed(here, user, session, text="B", waits=True), sent_first)
    assert await contents(database, session) == ["B", "b", "A", "a"]
    table = SessionTable(database)
    [newest] = await table.transcript(session.id, limit=1, before=None)
    assert newest.content == "a"
    older = await table.transcript(session.id, limit=10, before=newest.id)
    assert [message.content for message in older] == ["B", "b", "A"]


async def answered_after(here: Process, first: NewRun, second: NewRun) -> None:
    """Make the second wait for the first, and answer both."""
    assert await here.turns.claim(second)
    for run in (first, second):
        await here.runs.take(20, [])
        assert await here.runs.finish(finished(run, content=run.text.lower()))


async def test_a_run_that_is_ended_while_it_waits_gives_the_turn_to_nobody(
    database: Database, here: Process, user: User, session: Session
) -> None:
    holder, first, second = [await claimed(here, user, session, waits=True) for _ in range(3)]
    assert await here.runs.finish(finished(first, status=RunStatus.CANCELLED))
    assert await here.turns.live_run(session.id) == await head_of(database, session) == holder.id
    assert [run.run_id for run in await here.turns.waiting(session.id)] == [second.id]
    assert await here.runs.finish(finished(holder))
    assert await here.turns.live_run(session.id) == second.id


async def test_a_run_that_is_cancelled_in_the_moment_of_its_promotion_does_not_come_back(
    database: Database, database_url: str, here: Process, user: User, session: Session
) -> None:
    holder, waiting = [await claimed(here, user, session, waits=True) for _ in range(2)]
    async with await psycopg.AsyncConnection.connect(database_url) as cancelling:
        await cancelling.execute("UPDATE run SET status = 'cancelled', waiting = false, finished_at = now() WHERE id = %s", [waiting.id])
        assert await once(here.runs.finish(finished(holder, checkpoint="the end")))
        await cancelling.commit()
    assert await head_of(database, session) == holder.id
    claim = await here.turns.claim(new_run(user, session))
    assert claim
    assert claim.from_checkpoint == "the end"


async def test_promote_gives_a_free_turn_to_the_next_and_leaves_one_that_is_taken(
    database: Database, database_url: str, here: Process, user: User, session: Session
) -> None:
    holder, first, second = [await claimed(here, user, session, waits=True) for _ in range(3)]
    await here.turns.promote(session.id)
    assert await here.turns.live_run(session.id) == holder.id
    await forget_turn(database_url, holder.id)
    await here.turns.promote(uuid4())
    assert await here.turns.live_run(session.id) is None, "of another session"
    await here.turns.promote(session.id)
    assert await here.turns.live_run(session.id) == await head_of(database, session) == first.id
    row = await row_of(database, first.id)
    assert (row["parent_id"], row["from_checkpoint"]) == (holder.id, "the end")
    assert row["lease_expires_at"] > datetime.now(UTC)
    assert [run.run_id for run in await here.turns.waiting(session.id)] == [second.id]


async def forget_turn(url: str, run_id: object) -> None:
    """End a run as one that saw nobody waiting."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("UPDATE run SET status = 'completed', checkpoint = 'the end' WHERE id = %s", [run_id])


@pytest.mark.parametrize("background", [True, False])
async def test_many_who_promote_at_once_promote_one_run_of_each_session_once(
    database: Database, database_url: str, user: User, *, background: bool
) -> None:
    processes = [process(database) for _ in range(4)]
    firsts = []
    for _ in range(3):
        session = await SessionTable(database).add(user.id, "")
        holder, first, _ = [
            await claimed(processes[0], user, session, waits=number > 0, background=background and number > 0) for number in range(3)
        ]
        await forget_turn(database_url, holder.id)
        firsts.append(first)
    await asyncio.gather(*(each.turns.promote() for each in processes for _ in range(4)))
    for run in firsts:
        assert await processes[0].turns.live_run(run.session_id) == run.id
        assert len(await processes[0].turns.waiting(run.session_id)) == 1
    assert await jobs(database, "make_run") == ([run.id for run in firsts] if background else [])


async def test_promotions_by_an_end_and_by_others_at_once_promote_one(database: Database, user: User, session: Session) -> None:
    processes = [process(database) for _ in range(3)]
    holder, first, second = [await claimed(processes[0], user, session, waits=True, background=number > 0) for number in range(3)]
    promotions = [each.turns.promote(session.id) for each in processes * 3]
    await asyncio.gather(processes[0].runs.finish(finished(holder)), *promotions)
    assert await processes[0].turns.live_run(session.id) == first.id
    assert [run.run_id for run in await processes[0].turns.waiting(session.id)] == [second.id]
    assert await jobs(database, "make_run") == [first.id]


@pytest.mark.parametrize("by_end", [True, False])
async def test_whoever_may_begin_a_promoted_run_is_told(
    database_url: str, here: Process, user: User, session: Session, *, by_end: bool
) -> None:
    holder, waiting = [await claimed(here, user, session, waits=True) for _ in range(2)]
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as ear:
        await ear.execute(f"LISTEN {WORK}")
        if by_end:
            assert await here.runs.finish(finished(holder))
        else:
            await forget_turn(database_url, holder.id)
            await here.turns.promote(session.id)
        assert [notice.payload async for notice in ear.notifies(timeout=5, stop_after=1)] == [str(waiting.id)]


async def test_a_run_that_waits_goes_on_after_a_run_that_asks(here: Process, user: User, session: Session) -> None:
    holder, waiting = [await claimed(here, user, session, waits=True) for _ in range(2)]
    assert await here.runs.finish(asking(holder, "q", checkpoint="asked"))
    [taken] = await here.runs.take(20, [])
    assert (taken.id, taken.parent_status, taken.from_checkpoint) == (waiting.id, RunStatus.INTERRUPTED, "asked")
    assert not await here.turns.claim_resumption(new_resumption(user, session, {"q": True}))


async def test_what_is_asked_is_withdrawn_when_the_turn_goes_to_a_run_that_waited(
    database: Database, here: Process, user: User, session: Session
) -> None:
    """As it is when the message comes after the question."""
    holder, _ = [await claimed(here, user, session, waits=True) for _ in range(2)]
    assert await here.runs.finish(asking(holder, "q"))
    assert await outcomes(database, session) == {"q": "withdrawn"}


async def test_a_background_claim_is_queued_for_a_worker_and_its_job_is_there(
    database: Database, here: Process, user: User, session: Session
) -> None:
    run = new_run(user, session, background=True)
    claim = await here.turns.claim(run)
    assert claim
    assert claim.queued
    assert await jobs(database, "make_run") == [run.id]
    row = await row_of(database, run.id)
    assert (row["status"], row["owner"], row["lease_expires_at"], row["started_at"]) == ("queued", None, None, None)
    assert await head_of(database, session) == run.id
    assert await process(database).runs.take(20, []) == [], "it is a worker's"
    assert not await here.turns.claim(new_run(user, session, background=True))
    assert await jobs(database, "make_run") == [run.id]


async def test_a_background_run_that_waits_has_its_job_when_it_is_its_turn(
    database: Database, here: Process, user: User, session: Session
) -> None:
    holder = await claimed(here, user, session)
    waiting = await claimed(here, user, session, background=True, waits=True)
    assert await jobs(database, "make_run") == []
    assert await here.runs.take_queued(waiting.id) is None
    assert await here.runs.finish(finished(holder))
    assert await jobs(database, "make_run") == [waiting.id]
    assert await here.runs.take(20, []) == []
    taken = await here.runs.take_queued(waiting.id)
    assert taken
    assert (taken.id, taken.attempt, taken.crashes) == (waiting.id, 1, 0)


async def test_undoing_a_turn_forgets_its_messages_and_goes_back_to_the_one_before(
    database: Database, here: Process, user: User, session: Session
) -> None:
    first = await answered(here, user, session, "A")
    second = await answered(here, user, session, "B")
    await here.turns.undo(second.id)
    assert await contents(database, session) == ["A", "a"]
    assert await head_of(database, session) == first.id
    claim = await here.turns.claim(new_run(user, session))
    assert claim
    assert claim.from_checkpoint == "at A"


async def test_undoing_the_first_turn_leaves_an_empty_conversation(database: Database, here: Process, user: User, session: Session) -> None:
    await here.turns.undo((await answered(here, user, session, "A")).id)
    assert await contents(database, session) == []
    assert await head_of(database, session) is None


async def test_a_turn_that_went_on_after_questions_is_undone_whole(database: Database, here: Process, user: User, session: Session) -> None:
    before = await answered(here, user, session, "A")
    run = await claimed(here, user, session, text="B")
    assert await here.runs.finish(asking(run, "q1", content="Hm."))
    first = new_resumption(user, session, {"q1": True})
    assert await here.turns.claim_resumption(first)
    assert await here.runs.finish(asking(first, "q2", content="And?"))
    second = new_resumption(user, session, {"q2": True})
    assert await here.turns.claim_resumption(second)
    assert await here.runs.finish(finished(second, content="b"))
    assert await contents(database, session) == ["A", "a", "B", "Hm.", "And?", "b"]
    await here.turns.undo(second.id)
    assert await contents(database, session) == ["A", "a"]
    assert await head_of(database, session) == before.id


async def test_a_turn_that_another_has_followed_is_not_undone(database: Database, here: Process, user: User, session: Session) -> None:
    first = await answered(here, user, session, "A")
    second = await answered(here, user, session, "B")
    await here.turns.undo(first.id)
    assert await contents(database, session) == ["A", "a", "B", "b"]
    assert await head_of(database, session) == second.id
