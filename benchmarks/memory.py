"""`python -m benchmarks.memory`: what recall takes, how much of a user's it finds, and what it adds to the first token.

The words embedder, an embedded Postgres and two servers with a stub provider of their own, on the cores of one machine.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import UUID

from app.llm.words_embedder import WordsEmbedder
from app.persistence import migrate
from app.persistence.database import Pool, execute, fetch_all, open_database
from app.persistence.embedded import embedded_postgres
from app.persistence.memory_search import MemorySearch
from app.runs.recall import Recall
from app.settings import DatabaseSettings, MemorySettings
from benchmarks.durability import variables
from benchmarks.figures import percentiles
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text
from tests.stub.client import ProviderStub, start_stub
from tests.visitor import Visitor

_RECALLS: Final = 500
_LARGEST_RECALLS: Final = 50
_TURNS: Final = 200
_WARM_UP: Final = 20
_FILL: Final = """
WITH people AS (
    INSERT INTO "user" (id, email, password_hash, created_at)
    SELECT gen_random_uuid(), %(users)s || '-' || %(each)s || '-' || number || '@example.com', '', now()
      FROM generate_series(1, %(users)s) AS number
    RETURNING id
), added AS (
    INSERT INTO memory (id, vector, payload)
    SELECT gen_random_uuid(), ARRAY(SELECT random() - 0.5 + 0 * memory * length(people.id::text) FROM generate_series(1, 256))::vector,
           jsonb_build_object('user_id', people.id, 'data', 'Fact ' || memory, 'embedder', 'words-1')
      FROM generate_series(1, %(each)s) AS memory, people
)
SELECT id FROM people
"""
_GIVE: Final = """
INSERT INTO memory (id, vector, payload)
SELECT gen_random_uuid(), ARRAY(SELECT random() - 0.5 + 0 * memory FROM generate_series(1, 256))::vector,
       jsonb_build_object('user_id', "user".id, 'data', 'Fact ' || memory, 'embedder', 'words-1')
  FROM generate_series(1, 10) AS memory, "user" WHERE email = 'with@example.com'
"""


async def main() -> None:
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, start_stub() as provider, embedded_postgres(Path(name)) as url:
        migrate.up(url)
        async with open_database(url, DatabaseSettings(DATABASE_STATEMENT_SECONDS=600)) as database:
            for users, each in ((1, 1), (1, 10), (1, 100_000), (2_000, 50)):
                await _recalls(database.pool, users, each)
            await _first_tokens(database.pool, provider, url, Path(name))


async def _recalls(pool: Pool, users: int, each: int) -> None:
    await execute(pool, "TRUNCATE memory", {})
    people = [row["id"] for row in await fetch_all(pool, _FILL, {"users": users, "each": each})]
    await execute(pool, "VACUUM ANALYZE memory", {})
    search = MemorySearch(pool, embedder=WordsEmbedder.name, dimensions=WordsEmbedder.dimensions)
    # With more time than a server gives it: the figure is to be seen.
    recall = Recall(WordsEmbedder(), search, MemorySettings(MEMORY_RECALL_MS=60_000), -1)
    took = [await _timed(recall, people[turn % len(people)], turn) for turn in range(_RECALLS if each < _RECALLS else _LARGEST_RECALLS)]
    _say(f"recall among {users * each} memories of {users} users, ms", took[_WARM_UP:])
    if each <= _RECALLS:
        [query] = await WordsEmbedder().embed(["What do you know of me?"])
        found = {len(await search.search(person, query, limit=each + 1, threshold=-1)) for person in people[:400]}
        print(f"    found of {each} of a user: {min(found)} to {max(found)}")


async def _timed(recall: Recall, person: UUID, turn: int) -> float:
    began = time.perf_counter()
    await recall.recall(str(person), f"Where did we want to go in the summer of {turn}?")
    assert recall.failures == 0
    return (time.perf_counter() - began) * 1_000


async def _first_tokens(pool: Pool, provider: ProviderStub, url: str, folder: Path) -> None:
    """One turn after the other, each in a session of its own, the three taking turns."""
    async with AsyncExitStack() as stack:
        on = await stack.enter_async_context(ServerProcess(variables(provider, url, folder), folder / "on.log"))
        off = await stack.enter_async_context(
            ServerProcess({**variables(provider, url, folder), "MEMORY_ENABLED": "false"}, folder / "off.log")
        )
        visitors = {}
        for who, server in (("with", on), ("without", on), ("off", off)):
            visitors[who] = await stack.enter_async_context(Visitor(server.url))
            await visitors[who].register(f"{who}@example.com")
        await execute(pool, _GIVE, {})
        took: dict[str, list[float]] = {who: [] for who in visitors}
        for _ in range(_TURNS):
            for who, visitor in visitors.items():
                took[who].append(await _first_token(provider, visitor))
    _say("first token, memory switched off, ms", took["off"][_WARM_UP:])
    _say("first token, of a user without memories, ms", took["without"][_WARM_UP:])
    _say("first token, of a user with 10 beside 100,000 of others, ms", took["with"][_WARM_UP:])


async def _first_token(provider: ProviderStub, visitor: Visitor) -> float:
    await provider.script(Text("Yes."))
    session = await visitor.open_session("Trip")
    began = time.perf_counter()
    first = 0.0
    async with visitor.streaming(session, "Where did we want to go?") as events:
        async for event in events:
            if event.type == "token" and not first:
                first = (time.perf_counter() - began) * 1_000
    return first


def _say(what: str, values: Sequence[float]) -> None:
    found = percentiles(values)
    print(f"{what}: p50 {found.p50:.1f}, p95 {found.p95:.1f}, p99 {found.p99:.1f} ({len(values)} values)", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
