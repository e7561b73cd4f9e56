"""`python -m benchmarks.durability`: what it takes to read, stop and rescue an answer from another process than the one that makes it.

Two servers, a stub provider and an embedded Postgres of their own, on the cores of one machine.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import psycopg

from app.persistence import migrate
from app.persistence.embedded import embedded_postgres
from benchmarks.figures import percentiles
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text
from tests.stub.client import ProviderStub, start_stub
from tests.visitor import Event, Visitor, events_of

_ANSWERS: Final = 10
_STOPS: Final = 20
_RESCUES: Final = 5
_TOKENS: Final = 100
_TOKENS_PER_SECOND: Final = 20
_LEASE_SECONDS: Final = 5
_WORDS: Final = " ".join(f"word{number}" for number in range(_TOKENS))

type Times = dict[int, float]


async def main() -> None:
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, start_stub() as provider, embedded_postgres(Path(name)) as url:
        migrate.up(url)
        settings = {**variables(provider, url, Path(name)), "LEASE_SECONDS": str(_LEASE_SECONDS)}
        async with (
            ServerProcess(settings, Path(name, "first.log")) as first,
            ServerProcess(settings, Path(name, "second.log")) as second,
            _visitor(first) as owner,
            _visitor(second, owner) as elsewhere,
        ):
            await _tails(provider, owner, elsewhere, url)
            await _stops(provider, owner, elsewhere)
            await _rescues(provider, first, owner, elsewhere)


def variables(provider: ProviderStub, url: str, folder: Path) -> Mapping[str, str]:
    return {
        "APP_ENV": "test",
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
        "DEFAULT_LLM_MODEL": "stub",
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": provider.url,
        "MIGRATE_ON_START": "false",
        "LOG_FORMAT": "json",
    }


@asynccontextmanager
async def _visitor(server: ServerProcess, known: Visitor | None = None) -> AsyncIterator[Visitor]:
    async with Visitor(server.url) as visitor:
        if known:
            visitor.http.headers["Authorization"] = known.http.headers["Authorization"]
        else:
            await visitor.register(f"{uuid4().hex}@example.com")
        yield visitor


async def _tails(provider: ProviderStub, owner: Visitor, elsewhere: Visitor, url: str) -> None:
    """How far readers who join are behind the one who asked, event by event; and what the log of an answer is."""
    await provider.script(Text(_WORDS, seconds_between=1 / _TOKENS_PER_SECOND, times=_ANSWERS))
    same, other = list[float](), list[float]()
    for _ in range(_ANSWERS):
        async with owner.streaming(await owner.open_session(), "Count") as events:
            start = await anext(events)
            readers = [asyncio.create_task(_arrivals(visitor, start.data["run_id"])) for visitor in (owner, elsewhere)]
            asked = await _times(events)
        for reader, behind in zip(readers, (same, other), strict=True):
            times = await reader
            # Those that were there before the reader came say nothing of how fast it is told.
            behind += [(times[number] - at) * 1_000 for number, at in asked.items() if number > _TOKENS // 4]
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*), sum(pg_column_size(run_event.*)) FROM run_event").fetchone() or (0, 0)
    _say("reader in the same process, behind the one who asked, ms", same)
    _say("reader in the other process, behind the one who asked, ms", other)
    print(f"log of an answer of {_TOKENS} tokens at {_TOKENS_PER_SECOND}/s: {row[0] / _ANSWERS:.0f} rows, {row[1] / _ANSWERS:.0f} bytes")


async def _stops(provider: ProviderStub, owner: Visitor, elsewhere: Visitor) -> None:
    for name, visitor in (("the same", owner), ("the other", elsewhere)):
        took = list[float]()
        for _ in range(_STOPS):
            await provider.clear()
            await provider.script(Text("one two three", ending="hang", after=2))
            async with owner.streaming(await owner.open_session(), "Count") as events:
                run = (await anext(events)).data["run_id"]
                await provider.wait_until_asked()
                began = time.perf_counter()
                await visitor.http.post(f"/runs/{run}/cancel")
                async for _event in events:
                    pass
                took.append((time.perf_counter() - began) * 1_000)
            await provider.wait_until_closed_early()
        _say(f"stop asked in {name} process, until the reader has its end, ms", took)


async def _rescues(provider: ProviderStub, first: ServerProcess, owner: Visitor, elsewhere: Visitor) -> None:
    """From kill -9 to the first event of the next attempt, at the process that is left."""
    took = list[float]()
    for _ in range(_RESCUES):
        await provider.clear()
        await provider.script(Text(_WORDS, seconds_between=1 / _TOKENS_PER_SECOND, times=2))
        async with owner.streaming(await owner.open_session(), "Count") as events:
            run = (await anext(events)).data["run_id"]
            await provider.wait_until_asked()
            first.kill()
            began = time.perf_counter()
        async with elsewhere.http.stream("GET", f"/runs/{run}/stream") as answer:
            async for event in events_of(answer):
                if event.type == "reset":
                    break
        took.append(time.perf_counter() - began)
        await first.start()
    _say(f"kill -9 until another process goes on (lease of {_LEASE_SECONDS} s), s", took)


async def _arrivals(visitor: Visitor, run: str) -> Times:
    async with visitor.http.stream("GET", f"/runs/{run}/stream") as answer:
        return await _times(events_of(answer))


async def _times(events: AsyncIterator[Event]) -> Times:
    return {event.id: time.perf_counter() async for event in events}


def _say(what: str, values: Sequence[float]) -> None:
    found = percentiles(values)
    print(f"{what}: p50 {found.p50:.1f}, p95 {found.p95:.1f}, p99 {found.p99:.1f} ({len(values)} values)", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
