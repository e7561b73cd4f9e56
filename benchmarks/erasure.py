"""`python -m benchmarks.erasure`: what it takes to export and to erase a user of 200 sessions with 10 turns each, beside a user as large.

A server, a stub provider and an embedded Postgres of their own, on the cores of one machine.
"""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httpx

from app.persistence import migrate
from app.persistence.embedded import embedded_postgres
from benchmarks.durability import variables
from tests.faults.server_process import ServerProcess
from tests.stub.client import start_stub
from tests.visitor import PASSWORD, Visitor

_SESSIONS: Final = 200
_TURNS: Final = 10
_SESSIONS_AT_ONCE: Final = 16


async def main() -> None:
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, start_stub() as provider, embedded_postgres(Path(name)) as url:
        migrate.up(url)
        settings = {**variables(provider, url, Path(name)), "WORKER_IN_SERVER": "true"}
        async with (
            ServerProcess(settings, Path(name, "server.log")) as server,
            Visitor(server.url) as ada,
            Visitor(server.url) as bob,
        ):
            for visitor, email in ((ada, "ada@example.com"), (bob, "bob@example.com")):
                await visitor.register(email)
                await _talk(visitor)
            await _export(ada)
            await _erase(ada)


async def _talk(visitor: Visitor) -> None:
    room = asyncio.Semaphore(_SESSIONS_AT_ONCE)

    async def converse(number: int) -> None:
        async with room:
            session = await visitor.open_session(f"Number {number}")
            for turn in range(_TURNS):
                (await visitor.ask(session, f"What is {number} times {turn}, and why should anybody want to know?")).raise_for_status()

    began = time.perf_counter()
    await asyncio.gather(*map(converse, range(_SESSIONS)))
    print(f"said {_SESSIONS * _TURNS} turns in {time.perf_counter() - began:.0f} s")


async def _export(visitor: Visitor) -> None:
    began = time.perf_counter()
    (await visitor.http.post("/me/export")).raise_for_status()
    while (answer := await visitor.http.get("/me/export")).status_code == httpx.codes.ACCEPTED:  # noqa: ASYNC110  # as told
        await asyncio.sleep(0.05)
    print(f"exported in {time.perf_counter() - began:.2f} s, {len(answer.content):,} bytes")


async def _erase(visitor: Visitor) -> None:
    began = time.perf_counter()
    answer = await visitor.http.request("DELETE", "/me", json={"password": PASSWORD})
    print(f"erased in {time.perf_counter() - began:.2f} s")
    print(answer.raise_for_status().json()["counts"])


if __name__ == "__main__":
    asyncio.run(main())
