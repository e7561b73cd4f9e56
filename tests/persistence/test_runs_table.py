"""The run table: how runs are kept, taken over, stopped and ended, and only by the attempt that holds them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from langgraph.checkpoint.base import CheckpointMetadata, empty_checkpoint
from uuid_utils.compat import uuid7

from app.persistence import checkpointer, claiming, runs
from app.persistence.accounts import User
from app.persistence.channels import EVENTS, STOPS, WORK
from app.persistence.checkpointer import PooledPostgresSaver
from app.persistence.database import Database, execute
from app.persistence.runs import RunTable
from app.persistence.sessions import SessionTable
from app.persistence.squeezing import MOST_CHARACTERS
from app.persistence.values import Message, Role, RunStatus, Session, TakenRun
from tests.persistence.rows import Process, answered, claimed, finished, jobs, process, row_of

QUESTION = (Role.USER, "When does the train leave?", RunStatus.COMPLETED)
ANSWER = (Role.ASSISTANT, "At noon.", RunStatus.COMPLETED)


async def said(database: Database, session: Session) -> list[tuple[Role, str, RunStatus]]:
    messages: list[Message] = [*await SessionTable(database).transcript(session.id, limit=100, before=None)]
    return [(message.role, message.content, message.status) for message in messages]


async def expired(database: Database, user: User, session: Session) -> UUID:
    """A run whose process has not been heard of for its lease."""
    return (await claimed(process(database, lease_seconds=-1), user, session)).id


async def took(here: Process, *ours: UUID, most: int = 20) -> Sequence[tuple[UUID, int, int]]:
    """What a look takes: each run with its attempt and crashes."""
    return [(run.id, run.attempt, run.crashes) for run in await here.runs.take(most, ours)]


async def test_an_end_writes_the_answer_and_frees_the_session(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    tool = {"id": "c", "name": "calculate", "args": {"n": 10**400, "text": "“é”"}, "content": "84", "is_error": False}
    first_token = datetime(2026, 11, 21, 9, tzinfo=UTC)
    counted = {"input_tokens": 3, "output_tokens": 2, "reasoning_tokens": 1, "cached_tokens": 1, "cost_usd": 0.25}
    end = finished(run, tool_calls=[tool], reasoning="Hm.", checkpoint="the end", first_token_at=first_token, **counted)
    assert await here.runs.finish(end)
    assert await said(database, session) == [QUESTION, ANSWER]
    [_, answer] = await SessionTable(database).transcript(session.id, limit=2, before=None)
    assert (answer.id, answer.run_id, answer.reasoning, answer.tool_calls) == (run.message_id, run.id, "Hm.", [tool])
    ended = await here.runs.read(user.id, run.id)
    assert ended
    assert {name: getattr(ended, name) for name in counted} == counted
    assert (ended.status, ended.first_token_at) == (RunStatus.COMPLETED, first_token)
    assert ended.finished_at is not None
    row = await row_of(database, run.id)
    assert (row["checkpoint"], row["lease_expires_at"]) == ("the end", None)
    await claimed(here, user, session)


@pytest.mark.parametrize("attempt", [0, 2])
async def test_the_end_of_another_attempt_writes_nothing(
    database: Database, here: Process, user: User, session: Session, attempt: int
) -> None:
    run = await claimed(here, user, session)
    assert not await here.runs.finish(finished(run, attempt=attempt))
    assert await said(database, session) == [QUESTION]
    assert await here.turns.live_run(session.id) == run.id


async def test_a_run_ends_once(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    ends = [finished(run, message_id=uuid7(), content=f"Answer {number}.") for number in range(5)]
    assert Counter(await asyncio.gather(*map(here.runs.finish, ends))) == {True: 1, False: 4}
    assert len(await said(database, session)) == 2
    assert await jobs(database, "name_session") == [session.id], "one name is asked for"


@pytest.mark.parametrize(
    ("begun", "from_statuses", "ends"),
    [
        (True, [RunStatus.RUNNING], True),
        (True, [RunStatus.QUEUED], False),
        (False, [RunStatus.QUEUED], True),
        (False, [RunStatus.RUNNING], False),
        (True, [RunStatus.COMPLETED], False),
        (True, [], False),
    ],
)
async def test_a_run_ends_from_the_statuses_that_are_named_only(
    here: Process, user: User, session: Session, *, begun: bool, from_statuses: Sequence[RunStatus], ends: bool
) -> None:
    run = await claimed(here, user, session, background=not begun)
    end = finished(run, status=RunStatus.CANCELLED)
    assert await here.runs.finish(end, from_statuses) is ends
    assert await here.turns.live_run(session.id) == (None if ends else run.id)


async def test_a_stop_and_a_worker_at_once_leave_the_run_to_one_of_them(database: Database, here: Process, user: User) -> None:
    for _ in range(10):
        run = await claimed(here, user, await SessionTable(database).add(user.id, ""), background=True)
        stop = here.runs.finish(finished(run, status=RunStatus.CANCELLED), [RunStatus.QUEUED])
        stopped, taken = await asyncio.gather(stop, process(database).runs.take_queued(run.id))
        assert stopped is (taken is None)


async def test_whether_a_run_has_ended_so_is_told_by_its_attempt_and_status(here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    end = finished(run)
    assert not await here.runs.has_ended_so(end)
    assert await here.runs.finish(end)
    assert await here.runs.has_ended_so(end)
    assert not await here.runs.has_ended_so(finished(run, attempt=2))
    assert not await here.runs.has_ended_so(finished(run, status=RunStatus.FAILED))
    assert not await here.runs.has_ended_so(finished(run, id=uuid4()))


async def test_a_run_is_known_as_queued_until_it_is_begun(here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session, background=True)
    await execute(here.database.pool, "UPDATE run SET created_at = now() - interval '90 s'", {})
    queued = await here.runs.queued(run.id)
    assert queued
    assert (queued.message_id, queued.agent, queued.is_held) == (run.message_id, "assistant", False)
    assert 90 <= queued.age_seconds < 120
    assert await here.runs.take_queued(run.id)
    assert await here.runs.queued(run.id) is None


@pytest.mark.parametrize("told_otherwise", [True, False])
async def test_an_end_is_told_to_other_processes(
    database: Database, database_url: str, user: User, session: Session, *, told_otherwise: bool
) -> None:
    told: list[UUID] = []
    here = process(database)
    runs = RunTable(database.pool, owner=here.owner, lease_seconds=60, tell=told.extend if told_otherwise else None)
    run = await claimed(here, user, session)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as ear:
        await ear.execute(f"LISTEN {EVENTS}")
        assert await runs.finish(finished(run))
        assert not await runs.finish(finished(run))
        await ear.execute(f"NOTIFY {EVENTS}, 'the last'")
        heard = [notice.payload async for notice in ear.notifies(timeout=5, stop_after=1 if told_otherwise else 2)]
    assert heard == (["the last"] if told_otherwise else [str(run.id), "the last"])
    assert told == ([run.id] if told_otherwise else [])


async def test_a_run_is_read_by_its_user_only(here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    assert await here.runs.read(user.id, run.id)
    assert await here.runs.read(uuid4(), run.id) is None


async def test_a_run_whose_lease_has_expired_goes_to_one_of_those_who_look(database: Database, user: User, session: Session) -> None:
    lost = await expired(database, user, session)
    processes = [process(database) for _ in range(4)]
    taken: list[TakenRun] = [run for found in await asyncio.gather(*(each.runs.take(20, []) for each in processes)) for run in found]
    [run] = taken
    assert (run.id, run.attempt, run.crashes, run.session_id, run.text) == (lost, 2, 1, session.id, QUESTION[1])
    assert (run.user.id, run.user.email) == (user.id, user.email)
    assert run.answers is None


async def test_each_process_that_dies_in_a_run_is_counted(database: Database, user: User, session: Session) -> None:
    lost = await expired(database, user, session)
    mortal = process(database, lease_seconds=-1)
    assert [await took(mortal) for _ in range(3)] == [[(lost, 2, 1)], [(lost, 3, 2)], [(lost, 4, 3)]]


async def test_a_run_that_is_made_here_is_left_alone_whatever_its_lease_says(database: Database, user: User, session: Session) -> None:
    """A process that was held up must not take its own runs from itself."""
    here = process(database, lease_seconds=-1)
    run = await claimed(here, user, session)
    assert await took(here, run.id) == []
    assert await took(here) == [(run.id, 2, 1)]


async def test_a_run_that_is_handed_back_is_free_at_once_and_nobody_died_in_it(
    database: Database, here: Process, user: User, session: Session
) -> None:
    run = await claimed(here, user, session)
    await here.runs.release(run.id, 2)
    assert await took(process(database)) == [], "another attempt cannot hand it back"
    await here.runs.release(run.id, 1)
    assert await took(process(database)) == [(run.id, 2, 0)]


async def test_a_run_that_is_handed_back_is_offered_to_others(database_url: str, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as ear:
        await ear.execute(f"LISTEN {WORK}")
        await here.runs.release(run.id, 1)
        assert [notice.payload async for notice in ear.notifies(timeout=5, stop_after=1)] == [str(run.id)]


async def test_a_run_that_has_waited_is_begun_by_the_process_it_was_sent_to_as_a_first_attempt(
    database: Database, here: Process, user: User, session: Session
) -> None:
    holder, waiting = [await claimed(here, user, session, waits=True) for _ in range(2)]
    assert await took(here, holder.id) == [], "it is not its turn"
    assert await here.runs.finish(finished(holder, checkpoint="the end"))
    assert await took(process(database)) == []
    [run] = await here.runs.take(20, [])
    assert (run.id, run.attempt, run.crashes, run.from_checkpoint, run.checkpoint) == (waiting.id, 1, 0, "the end", None)
    assert run.parent_status is RunStatus.COMPLETED
    row = await row_of(database, waiting.id)
    assert (row["status"], row["owner"]) == ("running", here.owner)
    assert row["started_at"] is not None
    assert await took(here) == [], "it has been begun"


async def test_a_promoted_run_whose_process_is_dead_goes_to_others_as_a_first_attempt(
    database: Database, here: Process, user: User, session: Session
) -> None:
    holder = await claimed(here, user, session)
    waiting = await claimed(process(database), user, session, waits=True)
    dying = process(database, owner=here.owner, lease_seconds=-1)  # it grants leases that have run out
    assert await dying.runs.finish(finished(holder))
    assert await took(process(database)) == [(waiting.id, 1, 0)]


async def test_what_waits_for_a_process_that_leaves_goes_to_others(database: Database, here: Process, user: User, session: Session) -> None:
    leaving = process(database)
    holder = await claimed(here, user, session)
    waiting = await claimed(leaving, user, session, waits=True)
    await leaving.runs.release_queued()
    assert await took(process(database)) == [], "it is still not its turn"
    assert await here.runs.finish(finished(holder))
    assert await took(process(database)) == [(waiting.id, 1, 0)]


async def test_a_process_that_leaves_leaves_alone_what_is_begun_and_what_is_a_workers(
    database: Database, here: Process, user: User, session: Session
) -> None:
    begun = await claimed(here, user, session)
    behind = await claimed(here, user, session, waits=True, background=True)
    await here.runs.release_queued()
    assert (await row_of(database, begun.id))["owner"] == here.owner
    assert (await row_of(database, behind.id))["lease_expires_at"] is None


async def test_a_worker_takes_the_run_it_is_told_to_once(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session, background=True)
    workers = [process(database) for _ in range(4)]
    taken = [found for found in await asyncio.gather(*(worker.runs.take_queued(run.id) for worker in workers)) if found]
    assert [(found.id, found.attempt, found.crashes) for found in taken] == [(run.id, 1, 0)]
    assert await here.runs.take_queued(uuid4()) is None


async def test_a_run_whose_worker_is_dead_goes_to_any_process(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session, background=True)
    assert await process(database, lease_seconds=-1).runs.take_queued(run.id)
    assert await took(here) == [(run.id, 2, 1)]


async def test_a_later_attempt_goes_on_from_the_runs_own_last_checkpoint(database: Database, user: User, session: Session) -> None:
    mortal = process(database, lease_seconds=-1)
    await answered(mortal, user, session)
    run = await claimed(mortal, user, session)
    first = await a_checkpoint(database, session, run.id)
    last = await a_checkpoint(database, session, run.id)
    assert first < last < await a_checkpoint(database, session, uuid7()), "another branch has gone further"
    await a_checkpoint(database, session, run.id, within="tools:1")
    [taken] = await mortal.runs.take(20, [])
    assert (taken.attempt, taken.from_checkpoint, taken.checkpoint) == (2, "at A", last)


async def test_a_later_attempt_at_a_run_without_a_checkpoint_begins_where_the_run_did(
    database: Database, user: User, session: Session
) -> None:
    mortal = process(database, lease_seconds=-1)
    await answered(mortal, user, session)
    await claimed(mortal, user, session)
    await a_checkpoint(database, session, uuid7())
    [taken] = await mortal.runs.take(20, [])
    assert (taken.attempt, taken.from_checkpoint, taken.checkpoint) == (2, "at A", None)


async def test_a_first_attempt_has_no_checkpoint_of_its_own(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session, background=True)
    await a_checkpoint(database, session, run.id)
    taken = await here.runs.take_queued(run.id)
    assert taken
    assert (taken.attempt, taken.checkpoint) == (1, None)


async def a_checkpoint(database: Database, session: Session, run_id: UUID, within: str = "") -> str:
    """One that this run has written, in its graph or within a part of it."""
    checkpoint = empty_checkpoint()
    metadata = CheckpointMetadata(source="loop", step=0, parents={})
    config = {"thread_id": str(session.id), "checkpoint_ns": within, "milepost_run": str(run_id)}
    await PooledPostgresSaver(database.pool).aput({"configurable": config}, checkpoint, metadata, {})
    return checkpoint["id"]


async def test_a_run_that_somebody_is_taking_this_moment_is_left_to_them(
    database: Database, database_url: str, user: User, session: Session
) -> None:
    lost = await expired(database, user, session)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("SELECT FROM run WHERE id = %s FOR UPDATE", [lost])
        assert await asyncio.wait_for(process(database).runs.take(20, []), 5) == []


async def test_a_process_whose_run_was_taken_can_neither_end_nor_keep_it(database: Database, user: User, session: Session) -> None:
    dead, alive = process(database, lease_seconds=-1), process(database, lease_seconds=-1)
    run = await claimed(dead, user, session)
    assert await took(alive) == [(run.id, 2, 1)]
    assert not await dead.runs.finish(finished(run))
    await process(database, owner=dead.owner).runs.renew_leases([run.id])
    assert await took(alive) == [(run.id, 3, 2)], "the dead process must not have renewed what is no longer its own"


async def test_a_renewed_lease_is_not_taken(database: Database, user: User, session: Session) -> None:
    dying = process(database, lease_seconds=-1)
    run = await claimed(dying, user, session)
    await process(database, owner=dying.owner).runs.renew_leases([run.id])
    assert await took(process(database)) == []


async def test_a_lease_that_is_not_named_runs_out(database: Database, user: User, session: Session) -> None:
    dying = process(database, lease_seconds=-1)
    run = await claimed(dying, user, session)
    await process(database, owner=dying.owner).runs.renew_leases([uuid7()])
    assert await took(process(database)) == [(run.id, 2, 1)]


async def test_no_more_lost_runs_are_taken_than_asked_for(database: Database, user: User) -> None:
    for _ in range(3):
        await expired(database, user, await SessionTable(database).add(user.id, ""))
    alive = process(database)
    assert [len(await took(alive, most=2)) for _ in range(3)] == [2, 1, 0]


async def test_an_ended_run_is_never_taken(database: Database, user: User, session: Session) -> None:
    dead = process(database, lease_seconds=-1)
    run = await claimed(dead, user, session)
    assert await dead.runs.finish(finished(run))
    await execute(database.pool, "UPDATE run SET lease_expires_at = now() WHERE id = %(id)s", {"id": run.id})
    assert await took(process(database)) == []
    assert await took(dead) == []


async def test_a_wish_to_stop_reaches_the_process_that_makes_the_run(
    database: Database, database_url: str, here: Process, user: User, session: Session
) -> None:
    run = await claimed(here, user, session)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as ear:
        await ear.execute(f"LISTEN {STOPS}")
        await process(database).runs.request_stop(run.id)
        assert [notice.payload async for notice in ear.notifies(timeout=5, stop_after=1)] == [str(run.id)]
    assert await here.runs.stops_requested() == [run.id]
    assert await process(database).runs.stops_requested() == []
    assert await here.runs.finish(finished(run, status=RunStatus.CANCELLED))
    assert await here.runs.stops_requested() == []


async def test_deleting_a_session_takes_its_runs_along(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    await SessionTable(database).delete(session.id)
    assert await here.runs.read(user.id, run.id) is None
    assert not await here.runs.finish(finished(run))


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED])
async def test_a_name_is_asked_of_a_model_once_the_first_turn_is_answered(
    database: Database, here: Process, user: User, session: Session, status: RunStatus
) -> None:
    assert await here.runs.finish(finished(await claimed(here, user, session), status=status))
    assert await jobs(database, "name_session") == ([session.id] if status is RunStatus.COMPLETED else [])
    await answered(here, user, session)
    await answered(here, user, session)
    assert await jobs(database, "name_session") == [session.id], "once"


async def test_a_session_that_its_user_has_named_asks_for_no_name(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    await SessionTable(database).rename(session.id, "Mine")
    assert await here.runs.finish(finished(run))
    assert await jobs(database, "name_session") == []


@pytest.mark.parametrize("cache", [True, False])
async def test_that_a_kept_answer_will_do_is_known_to_each_who_takes_the_run(database: Database, user: User, cache: bool) -> None:
    sessions = [await SessionTable(database).add(user.id, "") for _ in range(2)]
    lost, background = process(database, lease_seconds=0), process(database)
    await claimed(lost, user, sessions[0], cache=cache)
    run = await claimed(background, user, sessions[1], cache=cache, background=True)
    taken = [*await background.runs.take(5, []), await background.runs.take_queued(run.id)]
    assert [bool(one and one.cache) for one in taken] == [cache, cache]


async def test_the_time_that_attempts_have_worked_on_a_run_adds_up_and_that_between_them_does_not_count(
    database: Database, user: User, session: Session
) -> None:
    run = await claimed(process(database, lease_seconds=30), user, session)
    ago = "UPDATE run SET {column} = now() - make_interval(secs => %(seconds)s) WHERE id = %(run_id)s"

    async def spent_when_heard_of(seconds_ago: float) -> float:
        """The process dies, and its lease of half a minute has run out; another looks much later."""
        await execute(database.pool, ago.format(column="lease_expires_at"), {"seconds": seconds_ago - 30, "run_id": run.id})
        [taken] = await process(database, lease_seconds=30).runs.take(1, [])
        return taken.spent_seconds

    await execute(database.pool, ago.format(column="started_at"), {"seconds": 5_000, "run_id": run.id})
    assert await spent_when_heard_of(4_900) == pytest.approx(100, abs=5), "it was worked on for 100 seconds, an hour and more ago"
    await execute(database.pool, ago.format(column="working_since"), {"seconds": 1_100, "run_id": run.id})
    assert await spent_when_heard_of(900) == pytest.approx(200, abs=5)
    row = await row_of(database, run.id)
    here = process(database, lease_seconds=30, owner=row["owner"])
    await here.runs.release(run.id, row["attempt"])
    [taken] = await process(database, lease_seconds=30).runs.take(1, [])
    assert taken.spent_seconds == pytest.approx(200, abs=5), "one that is handed back was worked on until then"


async def test_a_run_that_nobody_has_begun_has_spent_nothing(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session, background=True)
    await execute(database.pool, "UPDATE run SET created_at = now() - interval '1 hour'", {})
    taken = await here.runs.take_queued(run.id)
    assert taken
    assert taken.spent_seconds == 0


def test_no_statement_of_a_turn_is_too_long_to_be_kept() -> None:
    claims = [claiming.claim_sql(attached=False, held=held) for held in (False, True)]
    ends = [runs._FINISHES[False, counted] for counted in (False, True)]
    statements = (*claims, claiming.claim_sql(attached=True, held=False), *ends, checkpointer._SAVE)
    assert max(map(len, statements)) <= psycopg._queries.MAX_CACHED_STATEMENT_LENGTH == MOST_CHARACTERS
