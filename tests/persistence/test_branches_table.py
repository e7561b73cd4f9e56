"""Branches: the ways a conversation has taken, which of them is shown, and the transcript that follows from it."""

import asyncio
from uuid import UUID, uuid4

import psycopg
import pytest

from app.persistence.accounts import User
from app.persistence.branches import BranchTable
from app.persistence.database import Database, execute, fetch_all
from app.persistence.sessions import SessionTable
from app.persistence.values import NewRun, RunStatus, Session
from tests.persistence.moments import once, until_waiting
from tests.persistence.rows import (
    Process,
    answered,
    asking,
    claimed,
    contents,
    finished,
    head_of,
    new_resumption,
    new_run,
    process,
    row_of,
)


@pytest.fixture
def branches(database: Database) -> BranchTable:
    return BranchTable(database.pool)


async def branched(here: Process, user: User, session: Session) -> dict[str, NewRun]:
    """A, then B and C, then instead of B the turn D and E: D's way is shown."""
    runs = {text: await answered(here, user, session, text) for text in "ABC"}
    runs["D"] = await answered(here, user, session, "D", forks=True, parent_id=runs["A"].id)
    runs["E"] = await answered(here, user, session, "E")
    return runs


async def test_a_line_has_no_branches(branches: BranchTable, here: Process, user: User, session: Session) -> None:
    for text in "ABC":
        await answered(here, user, session, text)
    assert await branches.branches(session.id) == []


async def test_turns_beside_each_other_are_branches_and_one_is_shown(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    runs = await branched(here, user, session)
    other = await SessionTable(database).add(user.id, "")
    await answered(here, user, other, "elsewhere")
    beside = [(branch.run_id, branch.parent_id, branch.text, branch.is_shown) for branch in await branches.branches(session.id)]
    assert beside == [(runs["B"].id, runs["A"].id, "B", False), (runs["D"].id, runs["A"].id, "D", True)]
    assert await contents(database, session) == ["A", "a", "D", "d", "E", "e"]
    assert await branches.branches(other.id) == []


async def test_first_messages_can_be_branches_too(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    await answered(here, user, session, "A")
    await answered(here, user, session, "B", forks=True)
    assert [(branch.text, branch.parent_id, branch.is_shown) for branch in await branches.branches(session.id)] == [
        ("A", None, False),
        ("B", None, True),
    ]
    assert await contents(database, session) == ["B", "b"]


async def test_a_long_message_is_told_by_its_first_words(branches: BranchTable, here: Process, user: User, session: Session) -> None:
    await answered(here, user, session, "A" * 1000)
    await answered(here, user, session, "B", forks=True)
    assert [len(branch.text) for branch in await branches.branches(session.id)] == [200, 1]


async def test_what_waits_and_what_was_undone_are_no_branches(branches: BranchTable, here: Process, user: User, session: Session) -> None:
    await answered(here, user, session, "A")
    await claimed(here, user, session, text="B", forks=True)
    await claimed(here, user, session, text="C", waits=True)
    assert [branch.text for branch in await branches.branches(session.id)] == ["A", "B"]
    undone = await branches.branches(session.id)
    await here.turns.undo(undone[1].run_id)
    assert await branches.branches(session.id) == []


async def test_to_show_a_branch_is_to_go_on_from_its_latest_turn(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    runs = await branched(here, user, session)
    for shown, leaf, words in (("B", "C", "AaBbCc"), ("D", "E", "AaDdEe"), ("C", "C", "AaBbCc"), ("A", "E", "AaDdEe")):
        assert await branches.show(session.id, runs[shown].id)
        assert await head_of(database, session) == runs[leaf].id
        assert "".join(await contents(database, session)) == words
        assert await ends_at(branches, session) == f"at {leaf}"
        assert await branches.last_message(session.id) == runs[leaf].message_id
    assert await branches.show(session.id, runs["B"].id)
    run = new_run(user, session, text="F")
    claim = await here.turns.claim(run)
    assert claim
    assert claim.from_checkpoint == "at C"
    assert (await row_of(database, run.id))["parent_id"] == runs["C"].id


async def test_to_show_a_turn_that_went_on_after_questions_is_to_show_its_end(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    run, resumption = await interrupted(here, user, session)
    await answered(here, user, session, "D", forks=True)
    assert await branches.show(session.id, run.id)
    assert await head_of(database, session) == resumption
    assert await contents(database, session) == ["B", "Hm.", "b"]
    assert [(branch.text, branch.is_shown) for branch in await branches.branches(session.id)] == [("B", True), ("D", False)]


async def interrupted(here: Process, user: User, session: Session) -> tuple[NewRun, UUID]:
    """A turn that asked something and went on, and the run that did."""
    run = await claimed(here, user, session, text="B")
    assert await here.runs.finish(asking(run, "q", content="Hm."))
    resumption = new_resumption(user, session, {"q": True})
    assert await here.turns.claim_resumption(resumption)
    assert await here.runs.finish(finished(resumption, content="b", checkpoint="at b"))
    return run, resumption.id


async def test_to_show_a_branch_leaves_aside_what_was_undone_in_it(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    first = await answered(here, user, session, "A")
    await here.turns.undo((await answered(here, user, session, "B")).id)
    assert await branches.show(session.id, first.id)
    assert await head_of(database, session) == first.id


async def test_a_message_that_was_cancelled_while_it_waited_is_not_the_way_that_was_taken(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    holder, _ = await cancelled_while_waiting(here, user, session)
    await answered(here, user, session, "C", forks=True)
    assert await branches.show(session.id, holder)
    assert await head_of(database, session) == holder


async def test_whoever_goes_on_from_a_message_that_was_cancelled_while_it_waited_forgets_nothing(
    branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    _, cancelled = await cancelled_while_waiting(here, user, session)
    if await branches.show(session.id, cancelled):
        assert await ends_at(branches, session) == "at A"


async def cancelled_while_waiting(here: Process, user: User, session: Session) -> tuple[UUID, UUID]:
    """A run that was answered, and one that waited behind it until somebody cancelled it."""
    holder, waiting = [await claimed(here, user, session, text=text, waits=True) for text in "AB"]
    assert await here.runs.finish(finished(waiting, status=RunStatus.CANCELLED))
    assert await here.runs.finish(finished(holder, checkpoint="at A"))
    return holder.id, waiting.id


async def test_no_branch_is_shown_that_is_not_there(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    run = await answered(here, user, session, "A")
    other = await SessionTable(database).add(user.id, "")
    elsewhere = await answered(here, user, other, "elsewhere")
    assert not await branches.show(session.id, uuid4())
    assert not await branches.show(session.id, elsewhere.id)
    assert not await branches.show(other.id, run.id)
    assert (await head_of(database, session), await head_of(database, other)) == (run.id, elsewhere.id)


@pytest.mark.parametrize("background", [True, False])
async def test_no_other_branch_is_shown_while_the_session_is_answering(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session, *, background: bool
) -> None:
    runs = await branched(here, user, session)
    run = await claimed(here, user, session, background=background)
    assert not await branches.show(session.id, runs["B"].id)
    assert await head_of(database, session) == run.id
    assert await ends_at(branches, session) is None
    assert await here.runs.finish(finished(run))
    assert await branches.show(session.id, runs["B"].id)


async def test_no_other_branch_is_shown_in_the_moment_in_which_a_message_arrives(
    database: Database, database_url: str, branches: BranchTable, user: User, session: Session
) -> None:
    here = process(database)
    runs = await branched(here, user, session)
    async with await psycopg.AsyncConnection.connect(database_url) as blocker:
        await blocker.execute("SELECT FROM session WHERE id = %s FOR UPDATE", [session.id])
        claiming = asyncio.create_task(here.turns.claim(run := new_run(user, session)))
        await once(until_waiting(database_url, 1))
        showing = asyncio.create_task(branches.show(session.id, runs["B"].id))
        await once(until_waiting(database_url, 2))
        await blocker.rollback()
    assert await once(claiming)
    assert await once(showing) is False
    assert await head_of(database, session) == run.id


async def test_a_turn_is_found_by_any_of_its_messages(branches: BranchTable, here: Process, user: User, session: Session) -> None:
    first = await answered(here, user, session, "A")
    run, resumption = await interrupted(here, user, session)
    last = await branches.last_message(session.id)
    assert last
    for message_id in (run.asked_id, run.message_id, last):
        assert await branches.turn_of(session.id, message_id) == (first.id, "B", [])
    assert await branches.turn_of(session.id, first.message_id) == (None, "A", [])
    following = await answered(here, user, session, "C")
    assert await branches.turn_of(session.id, following.asked_id) == (resumption, "C", [])


async def test_a_message_that_is_not_there_is_part_of_no_turn(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    run = await answered(here, user, session, "A")
    other = await SessionTable(database).add(user.id, "")
    assert await branches.turn_of(session.id, uuid4()) is None
    assert await branches.turn_of(other.id, run.asked_id) is None
    await here.turns.undo(run.id)
    assert await branches.turn_of(session.id, run.asked_id) is None


async def test_a_conversation_without_a_word_ends_nowhere(branches: BranchTable, session: Session) -> None:
    assert await branches.last_message(session.id) is None
    assert await ends_at(branches, session) is None


async def paged(database: Database, session: Session, limit: int, before: UUID | None = None) -> list[str]:
    """The transcript, read from its end in pages of so many messages."""
    pages: list[str] = []
    while page := await SessionTable(database).transcript(session.id, limit=limit, before=before):
        assert len(page) <= limit
        pages = [*(message.content for message in page), *pages]
        before = page[0].id
    return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_pages_of_the_transcript_follow_the_branch_that_is_shown(
    database: Database, branches: BranchTable, user: User, session: Session, limit: int
) -> None:
    here = process(database)
    runs = await branched(here, user, session)
    _, resumption = await interrupted(here, user, session)
    assert "".join(await paged(database, session, limit)) == "AaDdEeBHm.b"
    assert await branches.show(session.id, runs["B"].id)
    assert "".join(await paged(database, session, limit)) == "AaBbCc"
    assert await branches.show(session.id, resumption)
    assert "".join(await paged(database, session, limit)) == "AaDdEeBHm.b"


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_whoever_reads_on_stays_on_the_branch_they_began_with(
    database: Database, branches: BranchTable, user: User, session: Session, limit: int
) -> None:
    runs = await branched(process(database), user, session)
    assert await branches.show(session.id, runs["B"].id)
    assert await paged(database, session, limit, before=runs["E"].asked_id) == ["A", "a", "D", "d"]


async def test_a_page_reaches_over_turns_that_have_no_words(database: Database, here: Process, user: User, session: Session) -> None:
    """A turn whose messages are gone, and a run that goes on after a question and has said nothing yet."""
    for text in "ABC":
        last = await answered(here, user, session, text)
    await execute(database.pool, "DELETE FROM message WHERE run_id = %(run_id)s", {"run_id": await parent_of(database, last.id)})
    run = await claimed(here, user, session, text="D")
    assert await here.runs.finish(asking(run, "q", content="Hm."))
    assert await here.turns.claim_resumption(new_resumption(user, session, {"q": True}))
    for limit in (1, 2, 3):
        assert await paged(database, session, limit) == ["A", "a", "C", "c", "D", "Hm."]


async def parent_of(database: Database, run_id: UUID) -> UUID:
    parent: UUID = (await row_of(database, run_id))["parent_id"]
    return parent


async def test_a_message_of_another_session_opens_no_page_of_its_transcript(
    database: Database, here: Process, user: User, session: Session
) -> None:
    await answered(here, user, session, "A")
    other = await SessionTable(database).add(user.id, "")
    elsewhere = await answered(here, user, other, "elsewhere")
    page = await SessionTable(database).transcript(session.id, limit=10, before=elsewhere.asked_id)
    assert [message.content for message in page] == ["A", "a"]


async def test_a_cleared_conversation_begins_anew(
    database: Database, branches: BranchTable, here: Process, user: User, session: Session
) -> None:
    runs = await branched(here, user, session)
    live = await claimed(here, user, session, text="F")
    waiting = await claimed(here, user, session, text="G", waits=True)
    await SessionTable(database).clear(session.id)
    assert await here.turns.in_the_way(session.id) == []
    for run in (live, waiting):
        assert not await here.runs.finish(finished(run))
    assert await contents(database, session) == []
    assert await branches.branches(session.id) == []
    assert await head_of(database, session) is None
    claim = await here.turns.claim(new_run(user, session, text="H"))
    assert claim
    assert (claim.from_checkpoint, claim.parent_status) == (None, None)
    assert await contents(database, session) == ["H"]
    assert await branches.turn_of(session.id, runs["A"].asked_id) is None


async def ends_at(branches: BranchTable, session: Session) -> str | None:
    """Where what is said next goes on from."""
    statement = "SELECT checkpoint FROM run JOIN session ON session.head_run_id = run.id WHERE session.id = %(session_id)s"
    rows = await fetch_all(branches._pool, statement, {"session_id": session.id})
    return rows[0]["checkpoint"] if rows else None
