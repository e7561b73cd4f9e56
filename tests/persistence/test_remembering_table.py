"""What is still to be remembered, and what was, in the tables: each user's own, and so much at a time."""

from collections.abc import Sequence

import pytest

from app.llm.words_embedder import WordsEmbedder
from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all
from app.persistence.memories import MemoryTable
from app.persistence.remembering import NewFact, RememberingTable, Unremembered
from app.persistence.users import UserTable
from app.persistence.values import Session
from tests.persistence.memories import remember
from tests.persistence.rows import Process, answered, jobs


@pytest.fixture
def table(database: Database) -> RememberingTable:
    return RememberingTable(database.pool)


async def _unremembered(table: RememberingTable, session: Session) -> Unremembered:
    turns = await table.unremembered(session.id)
    assert turns
    return turns


async def _fact(text: str) -> NewFact:
    [vector] = await WordsEmbedder().embed([text])
    return NewFact(vector=vector, payload={"data": text})


async def _open(database: Database) -> Sequence[str]:
    """The memories that are open, whoever's."""
    rows = await fetch_all(database.pool, "SELECT payload ->> 'data' AS text FROM memory WHERE closed_at IS NULL ORDER BY 1", {})
    return [row["text"] for row in rows]


async def test_only_ones_own_memories_are_compared_and_closed(
    table: RememberingTable, database: Database, here: Process, user: User, session: Session
) -> None:
    bob = await UserTable(database).add("bob@example.com", "not-a-hash")
    await remember(database, bob, "Lives in Oslo")
    [bobs] = await fetch_all(database.pool, "SELECT id FROM memory", {})
    await answered(here, user, session)
    turns, new = await _unremembered(table, session), await _fact("Moved to Bergen")
    assert await table.nearest(user.id, WordsEmbedder.name, new.vector, 5) == []
    assert await table.keep(turns, [new], {bobs["id"]: new.id}) == 1
    assert await _open(database) == ["Lives in Oslo", "Moved to Bergen"]


async def test_nothing_is_closed_for_a_fact_that_is_known_already(
    table: RememberingTable, database: Database, here: Process, user: User, session: Session
) -> None:
    await remember(database, user, "Likes tea", "Moved to Bergen")
    [tea] = await fetch_all(database.pool, "SELECT id FROM memory WHERE payload ->> 'data' = 'Likes tea'", {})
    await answered(here, user, session)
    again = await _fact("Moved to Bergen")
    assert await table.keep(await _unremembered(table, session), [again], {tea["id"]: again.id}) == 0, "it is known already"
    assert await _open(database) == ["Likes tea", "Moved to Bergen"]


async def test_a_session_that_is_never_silent_is_read_after_ten_times_the_delay(
    table: RememberingTable, database: Database, here: Process, user: User, session: Session
) -> None:
    await answered(here, user, session)
    since = "UPDATE session SET unremembered_since = now() - make_interval(mins => %(minutes)s), updated_at = now()"
    for minutes, due in ((9, []), (11, [session.id])):
        await execute(database.pool, since, {"minutes": minutes})
        await table.queue_due(60)
        assert await jobs(database, "remember") == due


async def test_of_many_turns_twenty_are_read_at_once_and_the_others_next(
    table: RememberingTable, database: Database, here: Process, user: User, session: Session
) -> None:
    for number in range(21):
        await answered(here, user, session, f"Turn {number}")
    for turns in (20, 1):
        await table.queue_due(0)
        assert await jobs(database, "remember") == [session.id]
        read = await _unremembered(table, session)
        assert sum(one.role == "user" for one in read.said) == turns
        assert await table.keep(read, [], {}) == 0
        await execute(database.pool, "DELETE FROM procrastinate_jobs", {})
    await table.queue_due(0)
    assert await jobs(database, "remember") == []


async def test_what_was_said_before_all_is_forgotten_is_not_remembered_afterwards(
    table: RememberingTable, database: Database, here: Process, user: User, session: Session
) -> None:
    await answered(here, user, session)
    turns = await _unremembered(table, session)
    await MemoryTable(database.pool).delete_all(user.id)
    assert await table.keep(turns, [await _fact("Lives in Oslo")], {}) is None, "a job that was under way writes nothing"
    await table.queue_due(0)
    assert await jobs(database, "remember") == []
