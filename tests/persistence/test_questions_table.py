"""Questions to people: asked with the end of a run, answered once and all together, by a run that goes on."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.persistence.accounts import User
from app.persistence.database import Database, fetch_all
from app.persistence.interrupts import InterruptTable
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.persistence.values import Claim, NewRun, RunStatus, Session
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


@pytest.fixture
def interrupts(database: Database) -> InterruptTable:
    return InterruptTable(database.pool)


async def asked(here: Process, user: User, session: Session, *questions: str, seconds: float = 60, **changes: Any) -> NewRun:
    """A run that ended with these questions, at the checkpoint "asked"."""
    run = await claimed(here, user, session, **changes)
    assert await here.runs.finish(asking(run, *questions, seconds=seconds, checkpoint="asked"))
    return run


async def open_ids(interrupts: InterruptTable, session: Session) -> list[str]:
    return [question.id for question in await interrupts.open(session.id)]


async def answer_rows(database: Database, session: Session) -> Mapping[str, tuple[Any, UUID | None, UUID | None]]:
    """Each question's answer, by whom, and in which run."""
    statement = "SELECT id, answer, answered_by, resumed_by FROM interrupt WHERE session_id = %(session_id)s"
    rows = await fetch_all(database.pool, statement, {"session_id": session.id})
    return {row["id"]: (row["answer"], row["answered_by"], row["resumed_by"]) for row in rows}


async def test_what_a_run_asks_is_open_when_it_has_ended(interrupts: InterruptTable, here: Process, user: User, session: Session) -> None:
    run = await asked(here, user, session, "q1", "q2")
    first, second = await interrupts.open(session.id)
    assert (first.id, first.run_id, first.value, first.schema) == ("q1", run.id, {"kind": "q1"}, {"type": "object"})
    assert second.id == "q2"
    assert first.expires_at > datetime.now(UTC)
    assert await here.turns.live_run(session.id) is None


async def test_a_run_that_no_longer_holds_asks_nothing(interrupts: InterruptTable, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    assert not await here.runs.finish(asking(run, "q", attempt=2))
    assert await open_ids(interrupts, session) == []


async def test_an_answer_goes_on_from_the_run_that_asked(database: Database, here: Process, user: User, session: Session) -> None:
    run = await asked(here, user, session, "q")
    resumption = new_resumption(user, session, {"q": {"approved": True, "comment": "ü"}})
    claim = await here.turns.claim_resumption(resumption)
    assert claim == Claim(queued=False, from_checkpoint="asked", parent_status=RunStatus.INTERRUPTED)
    assert await here.turns.live_run(session.id) == await head_of(database, session) == resumption.id
    row = await row_of(database, resumption.id)
    assert (row["parent_id"], row["asked_id"], row["status"], row["owner"]) == (run.id, None, "running", here.owner)
    assert await outcomes(database, session) == {"q": "answered"}
    assert await answer_rows(database, session) == {"q": ({"approved": True, "comment": "ü"}, user.id, resumption.id)}


@pytest.mark.parametrize("background", [True, False])
async def test_an_answer_is_made_in_the_background_only_if_it_is_asked_to(
    database: Database, here: Process, user: User, session: Session, *, background: bool
) -> None:
    await asked(here, user, session, "q")
    resumption = new_resumption(user, session, {"q": True}, background=background)
    claim = await here.turns.claim_resumption(resumption)
    assert claim
    assert claim.queued is background
    assert await jobs(database, "make_run") == ([resumption.id] if background else [])
    if background:
        taken = await process(database).runs.take_queued(resumption.id)
        assert taken
        assert (taken.answers, taken.attempt, taken.asked_id, taken.text) == ({"q": True}, 1, None, "")


@pytest.mark.parametrize("value", [True, None, 0, "text", {"deep": [1, {"é": None}]}])
async def test_answers_come_with_a_run_that_is_taken_over(database: Database, user: User, session: Session, value: object) -> None:
    mortal = process(database, lease_seconds=-1)
    await asked(mortal, user, session, "q1", "q2")
    resumption = new_resumption(user, session, {"q1": value, "q2": "yes"})
    assert await mortal.turns.claim_resumption(resumption)
    [taken] = await process(database).runs.take(20, [])
    assert (taken.id, taken.attempt, taken.answers) == (resumption.id, 2, {"q1": value, "q2": "yes"})
    assert (taken.from_checkpoint, taken.parent_status, taken.checkpoint) == ("asked", RunStatus.INTERRUPTED, None)


@pytest.mark.parametrize("answers", [{"q1": True, "unheard-of": True}, {"q1": True, "q2": True, "q3": True}, {"unheard-of": True}])
async def test_answers_are_taken_all_or_none(
    database: Database, here: Process, user: User, session: Session, answers: Mapping[str, bool]
) -> None:
    run = await asked(here, user, session, "q1", "q2")
    assert await here.turns.claim_resumption(new_resumption(user, session, answers, background=True)) is None
    assert await outcomes(database, session) == {"q1": "open", "q2": "open"}
    assert await here.turns.live_run(session.id) is None
    assert await head_of(database, session) == run.id
    assert await jobs(database, "make_run") == []


async def test_a_question_is_answered_once_however_many_answer_at_once(database: Database, user: User, session: Session) -> None:
    processes = [process(database) for _ in range(3)]
    await asked(processes[0], user, session, "q")
    answers = [new_resumption(user, session, {"q": number}, background=True) for number in range(9)]
    claims = await asyncio.gather(*(processes[number % 3].turns.claim_resumption(answer) for number, answer in enumerate(answers)))
    assert Counter(bool(claim) for claim in claims) == {True: 1, False: 8}
    [first] = [answer for answer, claim in zip(answers, claims, strict=True) if claim]
    assert await answer_rows(database, session) == {"q": (first.answers["q"], user.id, first.id)}
    assert await jobs(database, "make_run") == [first.id]


async def test_two_who_answer_one_question_each_at_once_leave_one_run(
    database: Database, here: Process, user: User, session: Session
) -> None:
    await asked(here, user, session, "q1", "q2")
    claims = [process(database).turns.claim_resumption(new_resumption(user, session, {question: True})) for question in ("q1", "q2")]
    assert Counter(bool(claim) for claim in await asyncio.gather(*claims)) == {True: 1, False: 1}
    assert Counter((await outcomes(database, session)).values()) == {"answered": 1, "open": 1}


async def test_an_answer_and_a_new_message_at_once_leave_one_run(database: Database, here: Process, user: User) -> None:
    for _ in range(10):
        session = await SessionTable(database).add(user.id, "")
        await asked(here, user, session, "q")
        by_answer, by_message = await asyncio.gather(
            here.turns.claim_resumption(new_resumption(user, session, {"q": True})), process(database).turns.claim(new_run(user, session))
        )
        assert Counter([bool(by_answer), bool(by_message)]) == {True: 1, False: 1}
        assert await outcomes(database, session) == {"q": "answered" if by_answer else "withdrawn"}


async def test_while_the_session_is_answering_nothing_is_answered_twice(here: Process, user: User, session: Session) -> None:
    await asked(here, user, session, "q1", "q2")
    assert await here.turns.claim_resumption(new_resumption(user, session, {"q1": True}))
    for question in ("q1", "q2"):
        assert await here.turns.claim_resumption(new_resumption(user, session, {question: True})) is None


async def test_a_question_of_another_session_or_user_is_not_answered(
    database: Database, interrupts: InterruptTable, here: Process, user: User, session: Session
) -> None:
    await asked(here, user, session, "q")
    other = await SessionTable(database).add(user.id, "")
    await asked(here, user, other, "of-the-other")
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    assert await here.turns.claim_resumption(new_resumption(user, other, {"q": True})) is None
    assert await here.turns.claim_resumption(new_resumption(bob, session, {"q": True})) is None
    assert await here.turns.claim_resumption(new_resumption(user, replace(session, id=uuid4()), {"q": True})) is None
    assert (await open_ids(interrupts, session), await open_ids(interrupts, other)) == (["q"], ["of-the-other"])
    assert await here.turns.live_run(session.id) is None


async def test_two_sessions_may_ask_under_the_same_id(interrupts: InterruptTable, database: Database, here: Process, user: User) -> None:
    sessions = [await SessionTable(database).add(user.id, "") for _ in range(2)]
    for session in sessions:
        await asked(here, user, session, "q")
    assert await here.turns.claim_resumption(new_resumption(user, sessions[0], {"q": True}))
    assert [await open_ids(interrupts, session) for session in sessions] == [[], ["q"]]


async def test_a_key_that_was_used_answers_nothing(interrupts: InterruptTable, here: Process, user: User, session: Session) -> None:
    await asked(here, user, session, "q", idempotency_key="once")
    assert await here.turns.claim_resumption(new_resumption(user, session, {"q": True}, idempotency_key="once")) is None
    assert await open_ids(interrupts, session) == ["q"]


async def test_a_question_of_another_branch_is_neither_shown_nor_answered(
    interrupts: InterruptTable, here: Process, user: User, session: Session
) -> None:
    await answered(here, user, session, "A")
    await asked(here, user, session, "q", text="B")
    fork = await claimed(here, user, session, text="C", forks=True)
    assert await here.runs.finish(asking(fork, "q-of-c"))
    assert await open_ids(interrupts, session) == ["q-of-c"]
    assert await here.turns.claim_resumption(new_resumption(user, session, {"q": True})) is None
    assert await open_ids(interrupts, session) == ["q-of-c"]


async def test_a_message_withdraws_the_questions_before_it_and_no_others(
    database: Database, interrupts: InterruptTable, here: Process, user: User, session: Session
) -> None:
    first = await answered(here, user, session, "A")
    await asked(here, user, session, "q-of-b", text="B")
    await asked(here, user, session, "q-of-c", text="C", forks=True, parent_id=first.id)
    run = new_run(user, session, text="D")
    claim = await here.turns.claim(run)
    assert claim
    assert claim.parent_status is RunStatus.INTERRUPTED
    assert await outcomes(database, session) == {"q-of-b": "open", "q-of-c": "withdrawn"}
    assert await here.runs.finish(finished(run))
    assert await open_ids(interrupts, session) == []


async def test_a_message_that_has_to_wait_withdraws_nothing_yet(database: Database, here: Process, user: User, session: Session) -> None:
    await asked(here, user, session, "q1", "q2")
    assert await here.turns.claim_resumption(new_resumption(user, session, {"q1": True}))
    await claimed(here, user, session, waits=True)
    assert await outcomes(database, session) == {"q1": "answered", "q2": "open"}


async def test_a_question_that_was_left_open_is_asked_again_by_the_run_that_goes_on(
    database: Database, interrupts: InterruptTable, here: Process, user: User, session: Session
) -> None:
    await asked(here, user, session, "q1", "q2")
    before = {question.id: question for question in await interrupts.open(session.id)}
    resumption = new_resumption(user, session, {"q1": True})
    assert await here.turns.claim_resumption(resumption)
    assert await here.runs.finish(asking(resumption, "q2", seconds=120))
    [again] = await interrupts.open(session.id)
    assert (again.id, again.run_id) == ("q2", resumption.id)
    assert again.expires_at > before["q2"].expires_at
    assert await here.turns.claim_resumption(new_resumption(user, session, {"q2": True}))
    assert await outcomes(database, session) == {"q1": "answered", "q2": "answered"}


async def test_a_call_that_asks_a_second_thing_can_be_answered_again(
    interrupts: InterruptTable, here: Process, user: User, session: Session
) -> None:
    """LangGraph numbers questions by the task that asks: one that asks twice, asks twice under the same id."""
    await asked(here, user, session, "q")
    resumption = new_resumption(user, session, {"q": "first"})
    assert await here.turns.claim_resumption(resumption)
    assert await here.runs.finish(asking(resumption, "q"))
    assert await open_ids(interrupts, session) == ["q"]
    second = new_resumption(user, session, {"q": "second"})
    assert await here.turns.claim_resumption(second)


async def test_questions_past_their_time_are_found_with_their_user(
    database: Database, interrupts: InterruptTable, here: Process, user: User, session: Session
) -> None:
    in_time = await SessionTable(database).add(user.id, "")
    await asked(here, user, in_time, "q")
    await asked(here, user, session, "q1", "q2", seconds=-1)
    assert await interrupts.expired() == [(session.id, user.id)]
    expiry = new_resumption(user, session, {"q1": "__expired__", "q2": "__expired__"}, answered_by=None)
    assert await here.turns.claim_resumption(expiry)
    assert await outcomes(database, session) == {"q1": "expired", "q2": "expired"}
    assert await answer_rows(database, session) == {
        "q1": ("__expired__", None, expiry.id),
        "q2": ("__expired__", None, expiry.id),
    }
    assert await interrupts.expired() == []


async def test_a_session_that_is_answering_is_not_told_of_expired_questions(
    database: Database, interrupts: InterruptTable, here: Process, user: User, session: Session
) -> None:
    await asked(here, user, session, "q1", "q2", seconds=-1)
    resumption = new_resumption(user, session, {"q1": True})
    assert await here.turns.claim_resumption(resumption)
    assert await interrupts.expired() == []
    assert await here.runs.finish(finished(resumption))
    assert await interrupts.expired() == [], "the run before last has asked it, and nobody is shown it"
    assert await outcomes(database, session) == {"q1": "answered", "q2": "expired"}


async def test_expired_questions_of_branches_that_are_not_shown_are_closed_without_a_run(
    database: Database, interrupts: InterruptTable, here: Process, user: User, session: Session
) -> None:
    await asked(here, user, session, "late", text="B", seconds=-1)
    await asked(here, user, session, "in-time", text="C", forks=True)
    await answered(here, user, session, "D", forks=True)
    assert await interrupts.expired() == []
    assert await outcomes(database, session) == {"late": "expired", "in-time": "open"}
    assert await here.turns.live_run(session.id) is None


async def test_clearing_a_session_forgets_what_it_asks(
    database: Database, interrupts: InterruptTable, here: Process, user: User, session: Session
) -> None:
    await asked(here, user, session, "q")
    await SessionTable(database).clear(session.id)
    assert await open_ids(interrupts, session) == []
    assert await contents(database, session) == []
    assert await here.turns.claim_resumption(new_resumption(user, session, {"q": True})) is None
