"""Sessions: whose they are, what they are called and by whom, and that nothing is left of a deleted one."""

import asyncio
from uuid import uuid4

import psycopg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointMetadata, empty_checkpoint

from app.errors import DatabaseUnavailable
from app.persistence.accounts import User
from app.persistence.channels import EVENTS
from app.persistence.checkpointer import PooledPostgresSaver
from app.persistence.database import Database, execute, fetch_all
from app.persistence.sessions import FirstTurn, SessionTable
from app.persistence.tool_starts import ToolStarts
from app.persistence.users import UserTable
from app.persistence.values import Session
from tests.persistence.moments import once, until_waiting
from tests.persistence.rows import Process, answered, asking, claimed, finished, process


@pytest.fixture
def sessions(database: Database) -> SessionTable:
    return SessionTable(database)


async def name_of(sessions: SessionTable, user: User, session: Session) -> tuple[str, bool]:
    found = await sessions.read(user.id, session.id)
    assert found
    return found.name, found.name_is_final


async def test_a_name_comes_from_the_first_words_and_then_from_a_model(
    sessions: SessionTable, here: Process, user: User, session: Session
) -> None:
    assert await name_of(sessions, user, session) == ("", False)
    run = await claimed(here, user, session, text="Q", title="First words")
    assert await name_of(sessions, user, session) == ("First words", False)
    assert await sessions.first_turn(session.id) is None, "it does not wait for a name yet"
    await sessions.name(session.id, "Too early")
    assert await here.runs.finish(finished(run, content="a"))
    await answered(here, user, session, "B", title="Second words")
    assert await sessions.first_turn(session.id) == FirstTurn(user_id=user.id, question="Q", answer="a")
    assert await name_of(sessions, user, session) == ("First words", False)
    await sessions.name(session.id, "A trip")
    assert await name_of(sessions, user, session) == ("A trip", True)
    await sessions.name(session.id, "Another")
    assert await name_of(sessions, user, session) == ("A trip", True), "it is named once"
    assert await sessions.first_turn(session.id) is None


async def test_a_session_that_gets_no_better_name_keeps_the_first_words_for_good(
    sessions: SessionTable, here: Process, user: User, session: Session
) -> None:
    await answered(here, user, session, title="First words")
    await sessions.name(session.id, None)
    assert await name_of(sessions, user, session) == ("First words", True)


@pytest.mark.parametrize("said", [0, 1, 2])
async def test_the_name_that_its_user_gives_stays(sessions: SessionTable, here: Process, user: User, session: Session, said: int) -> None:
    """Before the first message, before its answer, and while a model is asked."""
    if said:
        run = await claimed(here, user, session)
        assert said == 1 or await here.runs.finish(finished(run))
    await sessions.rename(session.id, "Mine")
    await sessions.name(session.id, "A model's")
    assert await name_of(sessions, user, session) == ("Mine", True)
    assert await sessions.first_turn(session.id) is None


async def test_a_session_that_is_opened_with_a_name_has_it_for_good(sessions: SessionTable, here: Process, user: User) -> None:
    named = await sessions.add(user.id, "Mine")
    assert named.name_is_final
    await answered(here, user, named)
    await sessions.name(named.id, "A model's")
    assert await name_of(sessions, user, named) == ("Mine", True)


async def test_a_session_is_read_by_its_user_only(database: Database, sessions: SessionTable, user: User, session: Session) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    assert await sessions.read(user.id, session.id) == session
    assert await sessions.read(bob.id, session.id) is None
    assert await sessions.read(user.id, uuid4()) is None


@pytest.mark.parametrize("how", ["delete", "clear"])
async def test_nothing_is_left_that_was_said_and_other_sessions_are_untouched(
    database: Database, here: Process, user: User, session: Session, how: str
) -> None:
    sessions = SessionTable(database)
    other = await sessions.add(user.id, "")
    for one in (session, other):
        await everything(database, here, user, one)
    before = await counted(database, other)
    assert all(before.values())
    await (sessions.delete(session.id) if how == "delete" else sessions.clear(session.id))
    left = {table for table, rows in (await counted(database, session)).items() if rows}
    assert left == (set() if how == "delete" else {"run"})
    assert await counted(database, other) == before
    assert (await sessions.read(user.id, session.id) is None) is (how == "delete")


async def test_other_processes_hear_that_a_cleared_run_has_ended(
    database: Database, here: Process, user: User, session: Session, database_url: str
) -> None:
    run = await claimed(here, user, session)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as ear:
        await ear.execute(f"LISTEN {EVENTS}")
        await SessionTable(database).clear(session.id)
        heard = [notice.payload async for notice in ear.notifies(timeout=20, stop_after=1)]
    assert heard == [str(run.id)]


@pytest.mark.parametrize("how", ["delete", "clear"])
async def test_what_cannot_be_forgotten_altogether_is_all_there_still(
    database: Database, here: Process, user: User, session: Session, how: str
) -> None:
    sessions = SessionTable(database)
    await everything(database, here, user, session)
    before = await counted(database, session)
    await execute(database.pool, "ALTER TABLE checkpoint_writes RENAME TO away", {})
    with pytest.raises(DatabaseUnavailable):
        await (sessions.delete(session.id) if how == "delete" else sessions.clear(session.id))
    await execute(database.pool, "ALTER TABLE away RENAME TO checkpoint_writes", {})
    assert await counted(database, session) == before


async def everything(database: Database, here: Process, user: User, session: Session) -> None:
    """A row of the session's in every table."""
    run = await claimed(here, user, session)
    assert await ToolStarts(database.pool, run.id, 1).begin("tools:1")
    config: RunnableConfig = {"configurable": {"thread_id": str(session.id), "checkpoint_ns": ""}}
    checkpoint = empty_checkpoint() | {"channel_values": {"messages": ["hello"]}, "channel_versions": {"messages": "1"}}
    saver = PooledPostgresSaver(database.pool)
    written = await saver.aput(config, checkpoint, CheckpointMetadata(source="loop", step=0, parents={}), {"messages": "1"})
    await saver.aput_writes(written, [("messages", "more")], "task")
    assert await here.runs.finish(asking(run, "q"))


async def counted(database: Database, session: Session) -> dict[str, int]:
    """How many rows there are of the session's."""
    statement = """
    SELECT (SELECT count(*) FROM run WHERE session_id = %(id)s) AS run,
           (SELECT count(*) FROM message WHERE session_id = %(id)s) AS message,
           (SELECT count(*) FROM interrupt WHERE session_id = %(id)s) AS interrupt,
           (SELECT count(*) FROM checkpoints WHERE thread_id = %(id)s::text) AS checkpoints,
           (SELECT count(*) FROM checkpoint_blobs WHERE thread_id = %(id)s::text) AS checkpoint_blobs,
           (SELECT count(*) FROM checkpoint_writes WHERE thread_id = %(id)s::text) AS checkpoint_writes
    """
    [row] = await fetch_all(database.pool, statement, {"id": session.id})
    return row


@pytest.mark.parametrize("how", ["delete", "clear"])
async def test_an_end_and_the_forgetting_of_its_session_do_not_wait_for_each_other(
    database: Database, database_url: str, user: User, session: Session, how: str
) -> None:
    sessions, here = SessionTable(database), process(database)
    run = await claimed(here, user, session)
    async with await psycopg.AsyncConnection.connect(database_url) as blocker:
        await blocker.execute("SELECT FROM session WHERE id = %s FOR UPDATE", [session.id])
        forgetting = asyncio.create_task(sessions.delete(session.id) if how == "delete" else sessions.clear(session.id))
        await once(until_waiting(database_url, 1))
        ending = asyncio.create_task(here.runs.finish(finished(run)))
        await once(until_waiting(database_url, 2))
        await blocker.rollback()
    ends = await asyncio.gather(forgetting, ending, return_exceptions=True)
    assert [end for end in ends if isinstance(end, Exception)] == []
    assert await sessions.transcript(session.id, limit=5, before=None) == []
