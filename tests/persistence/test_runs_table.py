"""The run table: one turn for each session, writes only by the attempt that holds a run, and leases."""

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
import pytest
from uuid_utils.compat import uuid7

from app.persistence.database import Database
from app.persistence.runs import RunTable
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.persistence.values import Message, Role, RunStatus, Session, TakenRun, User
from tests.persistence.rows import claimed, finished, new_run


@pytest.fixture
def runs(database: Database) -> RunTable:
    return process(database)


def process(database: Database, *, lease_seconds: float = 60) -> RunTable:
    """The table as one process uses it."""
    return RunTable(database.pool, owner=uuid7(), lease_seconds=lease_seconds)


async def said(database: Database, session: Session) -> list[tuple[Role, str, RunStatus]]:
    messages: list[Message] = [*await SessionTable(database).transcript(session.id, limit=100, before=None)]
    return [(message.role, message.content, message.status) for message in messages]


async def expired(database: Database, user: User, session: Session) -> UUID:
    """A run whose process has not been heard of for its lease."""
    return (await claimed(process(database, lease_seconds=-1), user, session)).id


QUESTION = (Role.USER, "When does the train leave?", RunStatus.COMPLETED)
ANSWER = (Role.ASSISTANT, "At noon.", RunStatus.COMPLETED)


async def test_a_claim_writes_the_question_and_names_the_session(database: Database, runs: RunTable, user: User, session: Session) -> None:
    run = await claimed(runs, user, session)
    assert await runs.live_run(session.id) == run.id
    assert await said(database, session) == [QUESTION]
    named = await SessionTable(database).read(user.id, session.id)
    assert named
    assert named.name == "The train"
    assert named.updated_at > session.updated_at


async def test_a_session_that_has_a_name_keeps_it(database: Database, runs: RunTable, user: User) -> None:
    session = await SessionTable(database).add(user.id, "Mine")
    await claimed(runs, user, session)
    kept = await SessionTable(database).read(user.id, session.id)
    assert kept
    assert kept.name == "Mine"


async def test_of_fifty_claims_at_once_one_gets_the_turn(database: Database, user: User, session: Session) -> None:
    processes = [process(database), process(database)]
    claims = [processes[number % 2].claim(new_run(user, session)) for number in range(50)]
    assert Counter(await asyncio.gather(*claims)) == {True: 1, False: 49}
    assert await said(database, session) == [QUESTION]


async def test_sessions_do_not_wait_for_each_other(database: Database, runs: RunTable, user: User) -> None:
    sessions = [await SessionTable(database).add(user.id, "") for _ in range(5)]
    assert all(await asyncio.gather(*(runs.claim(new_run(user, session)) for session in sessions)))


async def test_nobody_takes_a_turn_in_a_session_of_somebody_elses(database: Database, runs: RunTable, session: Session) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    assert not await runs.claim(new_run(bob, session))
    assert await runs.live_run(session.id) is None
    assert await said(database, session) == []
    untouched = await SessionTable(database).read(session_id=session.id, user_id=bob.id)
    assert untouched is None


async def test_a_session_that_is_gone_has_no_turn_to_take(runs: RunTable, user: User, session: Session) -> None:
    assert not await runs.claim(new_run(user, replace(session, id=uuid4())))


async def test_one_key_starts_one_run_in_whichever_session(database: Database, runs: RunTable, user: User, session: Session) -> None:
    first = await claimed(runs, user, session, idempotency_key="once")
    assert await runs.finish(finished(first))
    other = await SessionTable(database).add(user.id, "")
    assert not await runs.claim(new_run(user, other, idempotency_key="once"))
    assert await said(database, other) == []
    before = await runs.sent_before(user.id, "once")
    assert before
    assert (before.id, before.body_hash) == (first.id, first.body_hash)


async def test_two_users_may_use_the_same_key(database: Database, runs: RunTable, user: User, session: Session) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    await claimed(runs, user, session, idempotency_key="once")
    await claimed(runs, bob, await SessionTable(database).add(bob.id, ""), idempotency_key="once")
    assert await runs.sent_before(uuid4(), "once") is None


async def test_an_end_writes_the_answer_and_frees_the_session(database: Database, runs: RunTable, user: User, session: Session) -> None:
    run = await claimed(runs, user, session)
    tool = {"id": "c", "name": "calculate", "args": {"n": 10**400, "text": "“é”"}, "content": "84", "is_error": False}
    assert await runs.finish(finished(run, tool_calls=[tool], reasoning="Hm.", input_tokens=3, output_tokens=2))
    assert await said(database, session) == [QUESTION, ANSWER]
    [_, answer] = await SessionTable(database).transcript(session.id, limit=2, before=None)
    assert (answer.id, answer.run_id, answer.reasoning, answer.tool_calls) == (run.message_id, run.id, "Hm.", [tool])
    ended = await runs.read(user.id, run.id)
    assert ended
    assert (ended.status, ended.input_tokens, ended.output_tokens) == (RunStatus.COMPLETED, 3, 2)
    assert ended.finished_at is not None
    await claimed(runs, user, session)


@pytest.mark.parametrize("attempt", [0, 2])
async def test_the_end_of_another_attempt_writes_nothing(
    database: Database, runs: RunTable, user: User, session: Session, attempt: int
) -> None:
    run = await claimed(runs, user, session)
    assert not await runs.finish(finished(run, attempt=attempt))
    assert await said(database, session) == [QUESTION]
    assert await runs.live_run(session.id) == run.id


async def test_a_run_ends_once(database: Database, runs: RunTable, user: User, session: Session) -> None:
    run = await claimed(runs, user, session)
    ends = [finished(run, message_id=uuid7(), content=f"Answer {number}.") for number in range(5)]
    assert Counter(await asyncio.gather(*map(runs.finish, ends))) == {True: 1, False: 4}
    assert len(await said(database, session)) == 2


async def test_a_run_is_read_by_its_user_only(runs: RunTable, user: User, session: Session) -> None:
    run = await claimed(runs, user, session)
    assert await runs.read(user.id, run.id)
    assert await runs.read(uuid4(), run.id) is None


async def test_a_run_whose_lease_has_expired_goes_to_one_of_those_who_look(database: Database, user: User, session: Session) -> None:
    lost = await expired(database, user, session)
    processes = [process(database) for _ in range(4)]
    taken: list[TakenRun] = [run for found in await asyncio.gather(*(each.take_lost(20) for each in processes)) for run in found]
    [run] = taken
    assert (run.id, run.attempt, run.session_id, run.text) == (lost, 2, session.id, QUESTION[1])
    assert (run.user.id, run.user.email) == (user.id, user.email)


async def test_a_run_that_somebody_is_taking_this_moment_is_left_to_them(
    database: Database, database_url: str, user: User, session: Session
) -> None:
    lost = await expired(database, user, session)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("SELECT FROM run WHERE id = %s FOR UPDATE", [lost])
        assert await asyncio.wait_for(process(database).take_lost(20), 5) == []


async def test_a_process_whose_run_was_taken_can_neither_end_nor_keep_it(database: Database, user: User, session: Session) -> None:
    dead, alive = process(database, lease_seconds=-1), process(database, lease_seconds=-1)
    run = await claimed(dead, user, session)
    assert await alive.take_lost(20)
    assert not await dead.finish(finished(run))
    await RunTable(database.pool, owner=dead._lease["owner"], lease_seconds=60).renew_leases([run.id])  # type: ignore[arg-type]  # a UUID
    assert await alive.take_lost(20), "the dead process must not have renewed what is no longer its own"


async def test_a_renewed_lease_is_not_taken(database: Database, user: User, session: Session) -> None:
    owner = uuid7()
    run = await claimed(RunTable(database.pool, owner=owner, lease_seconds=-1), user, session)
    await RunTable(database.pool, owner=owner, lease_seconds=60).renew_leases([run.id])
    assert await process(database).take_lost(20) == []


async def test_a_lease_that_is_not_named_runs_out(database: Database, user: User, session: Session) -> None:
    owner = uuid7()
    run = await claimed(RunTable(database.pool, owner=owner, lease_seconds=-1), user, session)
    await RunTable(database.pool, owner=owner, lease_seconds=60).renew_leases([uuid7()])
    assert [lost.id for lost in await process(database).take_lost(20)] == [run.id]


async def test_no_more_lost_runs_are_taken_than_asked_for(database: Database, user: User) -> None:
    for _ in range(3):
        await expired(database, user, await SessionTable(database).add(user.id, ""))
    alive = process(database)
    assert [len(await alive.take_lost(2)) for _ in range(3)] == [2, 1, 0]


async def test_an_ended_run_is_never_taken(database: Database, user: User, session: Session) -> None:
    dead = process(database, lease_seconds=-1)
    assert await dead.finish(finished(await claimed(dead, user, session)))
    assert await process(database).take_lost(20) == []


async def test_a_run_that_is_handed_back_is_free_at_once(database: Database, runs: RunTable, user: User, session: Session) -> None:
    run = await claimed(runs, user, session)
    await runs.release(run.id, 2)
    assert await process(database).take_lost(20) == [], "another attempt cannot hand it back"
    await runs.release(run.id, 1)
    assert [lost.id for lost in await process(database).take_lost(20)] == [run.id]


async def test_a_wish_to_stop_reaches_the_process_that_makes_the_run(
    database: Database, runs: RunTable, user: User, session: Session
) -> None:
    run = await claimed(runs, user, session)
    await process(database).request_stop(run.id)
    assert await runs.stops_requested() == [run.id]
    assert await process(database).stops_requested() == []
    assert await runs.finish(finished(run, status=RunStatus.CANCELLED))
    assert await runs.stops_requested() == []


async def test_deleting_a_session_takes_its_runs_along(database: Database, runs: RunTable, user: User, session: Session) -> None:
    run = await claimed(runs, user, session)
    await SessionTable(database).delete(session.id)
    assert await runs.read(user.id, run.id) is None
    assert not await runs.finish(finished(run))
