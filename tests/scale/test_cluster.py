"""Three servers and two workers behind HAProxy: processes die and are replaced, and no answer is lost."""

import asyncio
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest

from tests.scale.conftest import SERVERS, WORKERS, Cluster, cluster_of, until
from tests.scale.programs import PoolerProcess
from tests.scale.reader import Reader
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Event, Visitor

# A dozen processes are started here, on whatever the machine has left.
pytestmark = [pytest.mark.proxy, pytest.mark.timeout(300)]

WORDS: Final = "one two three four five six seven eight nine ten"
_STREAMS: Final = 36
_IN_BACKGROUND: Final = 6
_ASKING: Final = 8
_DIRECT: Final = "direct"


async def test_a_server_and_a_worker_are_killed_in_the_middle_and_every_answer_comes_whole(
    cluster_variables: Mapping[str, str], tmp_path: Path, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text(WORDS, seconds_between=1, times=200))
    async with cluster_of(cluster_variables, tmp_path) as cluster, Visitor(cluster.url) as ada:
        await ada.register("ada@example.com")
        sessions = [await ada.open_session() for _ in range(_STREAMS + _IN_BACKGROUND)]
        in_background = sessions[_STREAMS:]
        readers, behind = [Reader(ada) for _ in range(_STREAMS)], [Reader(ada) for _ in in_background]
        async with asyncio.TaskGroup() as reading:
            for reader, run in zip(behind, await _begun(ada, in_background), strict=True):
                reading.create_task(reader.read_on(run))
            await until(lambda: len(_owners(database_url)) == WORKERS)
            for reader, session in zip(readers, sessions, strict=False):
                reading.create_task(reader.ask(session, "Count to ten"))
            await until(lambda: len(_owners(database_url)) == WORKERS + SERVERS and all(reader.tokens for reader in readers))
            cluster.servers[0].kill()
            cluster.workers[0].kill()
        for reader in (*readers, *behind):
            reader.assert_whole(WORDS)
        for crowd in (readers, behind):
            assert 0 < sum("reset" in {event.type for event in reader.read} for reader in crowd) < len(crowd)
        await _assert_kept(ada, sessions)
        await _assert_read_and_stopped_from_anywhere(cluster, ada, readers[0], provider)


async def test_a_rolling_restart_under_load_through_a_pooler_loses_no_answer(
    cluster_variables: Mapping[str, str], tmp_path: Path, provider: ProviderStub, pooler: PoolerProcess, database_url: str
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.1, times=900))
    variables = {**cluster_variables, "DATABASE_URL": pooler.url, "DATABASE_DIRECT_URL": f"{database_url}&application_name={_DIRECT}"}
    async with cluster_of(variables, tmp_path, workers_count=1) as cluster, Visitor(cluster.url) as ada:
        await ada.register("ada@example.com")
        over, refused = asyncio.Event(), Counter[tuple[str, int]]()

        async def keep_asking(session: str) -> tuple[str, int]:
            asked = 0
            while not over.is_set():
                reader = Reader(ada)
                await reader.ask(session, f"Message {asked}")
                reader.assert_whole(WORDS)
                refused.update(reader.refused)
                asked += 1
            return session, asked

        asking = [asyncio.create_task(keep_asking(await ada.open_session())) for _ in range(_ASKING)]
        behind = await ada.open_session()
        (run,) = await _begun(ada, [behind])
        for server in cluster.servers:
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait) == -signal.SIGTERM, server.output()
            await server.start()
        over.set()
        for session, asked in await asyncio.gather(*asking):
            assert asked > 1
            assert _kept(database_url, session) == [("user", "completed"), ("assistant", "completed")] * asked
        reader = Reader(ada)
        await reader.read_on(run)
        reader.assert_whole(WORDS)
        # A server that stops says so to who begins something, before it has; what only reads is sent to another by the proxy.
        assert set(refused) <= {("POST", httpx.codes.SERVICE_UNAVAILABLE)}
        # An ear of each process, and one of each worker for its jobs.
        assert _past_the_pool(database_url) == {"LISTEN": SERVERS + 2 * len(cluster.workers)}


async def _begun(visitor: Visitor, sessions: Sequence[str]) -> list[str]:
    """Runs for the workers."""
    answers = [await visitor.http.post(f"/sessions/{session}/runs", json={"message": "Count to ten"}) for session in sessions]
    return [answer.json()["id"] for answer in answers]


async def _assert_kept(visitor: Visitor, sessions: Sequence[str]) -> None:
    for session in sessions:
        kept = await visitor.messages(session)
        assert [(message["content"], message["status"]) for message in kept] == [("Count to ten", "completed"), (WORDS, "completed")]


async def _assert_read_and_stopped_from_anywhere(cluster: Cluster, ada: Visitor, reader: Reader, provider: ProviderStub) -> None:
    left = cluster.servers[1:]
    told = list[list[Event]]()
    for server in left:
        async with _known_at(server.url, ada) as there:
            anew = Reader(there)
            await anew.read_on(reader.run)
            anew.assert_whole(WORDS)
            told.append(anew.read)
    assert all(events == told[0] for events in told)
    for server in left:
        await provider.clear()
        await provider.script(Text(WORDS, ending="hang", after=3))
        async with _known_at(server.url, ada) as there, ada.streaming(await ada.open_session(), "Count for ever") as events:
            run = (await anext(events)).data["run_id"]
            await provider.wait_until_asked(containing="Count for ever")
            assert (await there.http.post(f"/runs/{run}/cancel")).status_code == httpx.codes.NO_CONTENT
            *_, end = [event async for event in events]
            assert (end.type, end.data["status"]) == ("end", "cancelled")


def _known_at(url: str, visitor: Visitor) -> Visitor:
    known = Visitor(url)
    known.http.headers["Authorization"] = visitor.http.headers["Authorization"]
    return known


def _owners(database_url: str) -> Mapping[Any, int]:
    """Which process makes how many answers."""
    with psycopg.connect(database_url) as connection:
        return dict(connection.execute("SELECT owner, count(*) FROM run WHERE status = 'running' GROUP BY owner").fetchall())


def _kept(database_url: str, session: str) -> list[tuple[Any, ...]]:
    """The whole transcript, which is longer than a page of the API's."""
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT role, status FROM message WHERE session_id = %s ORDER BY id", [session]).fetchall()


def _past_the_pool(database_url: str) -> Counter[str]:
    """What the connections that go past it were last asked."""
    with psycopg.connect(database_url) as connection:
        asked = connection.execute("SELECT query FROM pg_stat_activity WHERE application_name = %s", [_DIRECT]).fetchall()
    return Counter(query.partition(" ")[0] for (query,) in asked)
