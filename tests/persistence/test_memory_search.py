"""What is found of a user's memories: all that is theirs and open, and nothing else; and when there is anything to look for."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

import pytest

from app.llm.embedding import Embedder
from app.llm.words_embedder import WordsEmbedder
from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all
from app.persistence.memory_search import MemorySearch
from app.persistence.memory_vectors import MemoryVectors, Remembered
from app.persistence.remembering import RememberingTable
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.runs.reembedding import check_embedder, reembed
from tests.persistence.memories import remember
from tests.persistence.rows import Process, claimed, new_run

USERS: Final = 400
# Fifty of each user's, spread over the table as they come in.
_MANY: Final = """
WITH people AS (
    INSERT INTO "user" (id, email, password_hash, created_at)
    SELECT gen_random_uuid(), 'user-' || number || '@example.com', '', now() FROM generate_series(1, %(users)s) AS number
    RETURNING id
)
INSERT INTO memory (id, vector, payload)
SELECT gen_random_uuid(), ARRAY(SELECT random() - 0.5 + 0 * memory * length(people.id::text) FROM generate_series(1, 3))::vector,
       jsonb_build_object('user_id', people.id, 'data', people.id || ' ' || memory)
  FROM generate_series(1, 50) AS memory, people
"""
_PEOPLE: Final = "SELECT id FROM \"user\" WHERE email LIKE 'user-%%'"


class OtherEmbedder(WordsEmbedder):
    """Another embedder of the same length: its vectors would be compared, to no sense, if nobody took care."""

    name = "other"

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return await super().embed([text[::-1] for text in texts])


class ShortEmbedder:
    name, dimensions = "short", 3

    def __init__(self, dies_after: int = 1_000_000) -> None:
        self._lives = dies_after
        self.embedded: list[str] = []

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.embedded += texts
        self._lives -= 1
        if self._lives < 0:
            raise ConnectionResetError
        return [(len(text), 1, 0) for text in texts]


def search_of(database: Database, embedder: Embedder) -> MemorySearch:
    return MemorySearch(database.pool, embedder=embedder.name, dimensions=embedder.dimensions)


def vectors_of(database: Database, embedder: Embedder) -> MemoryVectors:
    return MemoryVectors(database.pool, embedder=embedder.name, dimensions=embedder.dimensions)


async def found(database: Database, user: User, query: str, *, embedder: Embedder | None = None, threshold: float = -1) -> Sequence[str]:
    embedder = embedder or WordsEmbedder()
    [vector] = await embedder.embed([query])
    return await search_of(database, embedder).search(user.id, vector, limit=5, threshold=threshold)


async def test_among_20000_memories_each_of_400_users_finds_fifty_of_fifty(database: Database) -> None:
    await execute(database.pool, _MANY, {"users": USERS})
    people = [row["id"] for row in await fetch_all(database.pool, _PEOPLE, {})]
    [query] = await ShortEmbedder().embed(["What do you know of me?"])
    search = search_of(database, ShortEmbedder())
    for person in people:
        texts = await search.search(person, query, limit=51, threshold=-1)
        assert set(texts) == {f"{person} {memory}" for memory in range(1, 51)}
    assert len(people) == USERS


async def test_the_nearest_come_first_and_what_is_too_far_not_at_all(database: Database, user: User) -> None:
    await remember(database, user, "Has a dog called Rex", "Lives in Oslo", "Lives in a house", "?!")
    assert (await found(database, user, "Lives in Oslo"))[:2] == ["Lives in Oslo", "Lives in a house"]
    assert await found(database, user, "Lives in Oslo", threshold=0.5) == ["Lives in Oslo", "Lives in a house"]
    assert await found(database, user, "Lives in Oslo", threshold=0.99) == ["Lives in Oslo"]


async def test_what_is_closed_or_anothers_is_not_found(database: Database, user: User) -> None:
    other = await UserTable(database).add("bob@example.com", "")
    await remember(database, other, "Lives in Rome")
    await remember(database, user, "Lives in Oslo", "Lives in Bergen")
    await execute(database.pool, "UPDATE memory SET closed_at = now() WHERE payload ->> 'data' = 'Lives in Oslo'", {})
    assert await found(database, user, "Where do I live?") == ["Lives in Bergen"]


@pytest.mark.parametrize(
    ("change", "recalls"),
    [
        ("SELECT", True),
        ("DELETE FROM memory", False),
        ("UPDATE memory SET closed_at = now()", False),
        ('UPDATE "user" SET remembers = false', False),
        ("UPDATE session SET remembers = false", False),
        ("UPDATE session SET temporary = true", False),
    ],
)
async def test_a_run_recalls_when_there_is_something_and_user_and_session_want_it(
    change: str, recalls: bool, database: Database, user: User, here: Process
) -> None:
    stranger = await UserTable(database).add("bob@example.com", "")
    sessions = SessionTable(database)
    mine, theirs, queued = await sessions.add(user.id, ""), await sessions.add(stranger.id, ""), await sessions.add(user.id, "")
    await remember(database, user, "Lives in Oslo")
    await execute(database.pool, change, {})
    claim = await here.turns.claim(new_run(user, mine))
    assert claim
    assert claim.recalls is recalls
    nothing = await here.turns.claim(new_run(stranger, theirs))
    assert nothing
    assert not nothing.recalls
    waiting = await claimed(here, user, queued, background=True)
    taken = await here.runs.take_queued(waiting.id)
    assert taken
    assert taken.recalls is recalls


async def test_who_comes_first_decides_on_the_embedder_until_nothing_is_remembered(database: Database, user: User) -> None:
    words, other = vectors_of(database, WordsEmbedder()), vectors_of(database, OtherEmbedder())
    assert (await words.adopt(), await other.adopt(), await words.adopt()) == (None, None, None)
    await remember(database, user, "Lives in Oslo")
    assert (await words.adopt(), await other.adopt()) == (None, "words-1")


async def test_after_re_embedding_everything_is_found_by_the_new_embedder_and_nothing_by_the_old(database: Database, user: User) -> None:
    words, short = WordsEmbedder(), ShortEmbedder()
    await check_embedder(vectors_of(database, words), words)
    await remember(database, user, *(f"Fact {number}" for number in range(250)))
    assert await reembed(vectors_of(database, short), short) == 250
    await check_embedder(vectors_of(database, short), short)
    assert await found(database, user, "Fact 7", embedder=short, threshold=0.9999) != []
    assert await found(database, user, "Fact 7", embedder=words) == []
    assert await reembed(vectors_of(database, short), short) == 0


async def test_while_servers_go_on_each_embedder_finds_its_own(database: Database, user: User) -> None:
    words, other = WordsEmbedder(), OtherEmbedder()
    await check_embedder(vectors_of(database, words), words)
    await remember(database, user, "Lives in Oslo", "Likes tea")
    [oslo] = await fetch_all(database.pool, "SELECT id, payload ->> 'data' AS text FROM memory WHERE payload ->> 'data' LIKE '%%Oslo'", {})
    await vectors_of(database, other).replace([Remembered(**oslo)], await other.embed([oslo["text"]]))
    assert await found(database, user, "Lives in Oslo", embedder=words) == ["Likes tea"]
    assert await found(database, user, "Lives in Oslo", embedder=other) == ["Lives in Oslo"]
    for embedder, text in ((words, "Likes tea"), (other, "Lives in Oslo")):
        [vector] = await embedder.embed(["Lives in Oslo"])
        near = await RememberingTable(database.pool).nearest(user.id, embedder.name, vector, 5)
        assert [known.text for known in near] == [text], "what is remembered anew is compared with its own kind alone"
    # A server of the old settings remembers something after the switch.
    assert await reembed(vectors_of(database, other), other) == 1
    await remember(database, user, "Plays chess", embedder=words)
    assert await found(database, user, "Plays chess", embedder=other, threshold=0.9) == []
    assert await reembed(vectors_of(database, other), other) == 1
    assert await found(database, user, "Plays chess", embedder=other, threshold=0.9) == ["Plays chess"]


async def test_re_embedding_goes_on_where_it_was_broken_off(database: Database, user: User) -> None:
    words, dying, short = WordsEmbedder(), ShortEmbedder(dies_after=1), ShortEmbedder()
    await check_embedder(vectors_of(database, words), words)
    await remember(database, user, *(f"Fact {number}" for number in range(150)))
    with pytest.raises(ConnectionResetError):
        await reembed(vectors_of(database, dying), dying)
    assert await vectors_of(database, words).adopt() is None, "servers still start with the old one"
    assert await reembed(vectors_of(database, short), short) == 50
    assert len(short.embedded) == 50


async def test_a_memory_whose_text_has_changed_meanwhile_keeps_its_vector(database: Database, user: User) -> None:
    await remember(database, user, "Lives in Oslo")
    other = OtherEmbedder()
    [row] = await fetch_all(database.pool, "SELECT id FROM memory", {})
    stale = Remembered(id=UUID(str(row["id"])), text="Lives in Rome")
    assert await vectors_of(database, other).replace([stale, Remembered(id=uuid4(), text="gone")], await other.embed(["a", "b"])) == 0
