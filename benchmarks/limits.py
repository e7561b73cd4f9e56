"""`python -m benchmarks.limits`: what a request pays to be let in, and how exact limits are over two servers.

The first in one process, without a socket; the second with a Valkey, a stub provider and an embedded Postgres of their own.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import httpx
from pydantic import SecretStr

from app.accounts.buckets import Buckets
from app.accounts.windows import Windows
from app.api.limits.proxies import counted_as
from app.api.limits.routes import RouteLimits
from app.main import create_app
from app.persistence import migrate
from app.persistence.embedded import embedded_postgres
from app.persistence.redis_scripts import open_redis_scripts
from app.settings import LimitSettings, RedisSettings, Tier, load_settings
from benchmarks.durability import variables
from tests.faults.server_process import ServerProcess
from tests.stub.client import start_stub
from tests.valkey_process import ValkeyProcess
from tests.visitor import Visitor

_CALLS: Final = 20_000
_REQUESTS: Final = 1_000
_AT_ONCE: Final = 200
_CAPACITY: Final = 100
_PLENTY: Final = Tier(name="plenty", requests_per_second=100_000, burst=1_000_000)
_FROZEN: Final = {"name": "free", "requests_per_second": 0.001, "burst": _CAPACITY}
_MILLION: Final = 1e6


async def main() -> None:
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, ValkeyProcess(Path(name)) as valkey:
        await _cost("in this process", "")
        await _cost("in Valkey, one after the other", valkey.url)
        await _cost("in Valkey, fifty at once", valkey.url, at_once=50)
        await _exactness(Path(name), valkey.url)


async def _cost(where: str, url: str, *, at_once: int = 1) -> None:
    limits, ada = RouteLimits(create_app(load_settings()).routes, LimitSettings()), uuid4()
    async with open_redis_scripts(RedisSettings(REDIS_URL=SecretStr(url))) as scripts:
        windows, buckets = Windows(scripts), Buckets(scripts)

        async def by_address() -> None:
            _, found = limits.of("GET", "/api/v1/sessions/0198c0de-0000-7000-8000-000000000000/messages")
            await windows.count(found, counted_as("203.0.113.7"))

        async def by_user() -> None:
            await buckets.draw(ada, _PLENTY)

        steps: Mapping[str, Callable[[], Awaitable[None]]] = {"route, address and window": by_address, "user's bucket": by_user}
        for step, do in steps.items():
            cpu, wall = await _timed(do, at_once)
            print(f"{step}, {where}: {cpu:.1f} µs of CPU, {wall:.1f} µs of time")


async def _timed(do: Callable[[], Awaitable[None]], at_once: int) -> tuple[float, float]:
    async def several(count: int) -> None:
        for _ in range(count):
            await do()

    await several(100)
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(several(_CALLS // at_once) for _ in range(at_once)))
    return (time.process_time() - cpu) / _CALLS * _MILLION, (time.perf_counter() - wall) / _CALLS * _MILLION


async def _exactness(folder: Path, redis_url: str) -> None:
    (folder / "tiers.yaml").write_text(json.dumps({"tiers": [_FROZEN]}))
    with start_stub() as provider, embedded_postgres(folder / "database") as url:
        migrate.up(url)
        shared = {**variables(provider, url, folder), "REDIS_URL": redis_url, "TIERS_FILE": str(folder / "tiers.yaml")}
        async with (
            ServerProcess(shared, folder / "first.log") as first,
            ServerProcess(shared, folder / "second.log") as second,
            Visitor(first.url) as here,
            Visitor(second.url) as there,
        ):
            await here.register("ada@example.com")
            there.http.headers["Authorization"] = here.http.headers["Authorization"]
            began = time.perf_counter()
            passed = sum(await asyncio.gather(_passed(here), _passed(there)))
            seconds = time.perf_counter() - began
            print(f"{_REQUESTS} requests to two servers in {seconds:.1f} s: {passed} passed, of a capacity of {_CAPACITY}")


async def _passed(visitor: Visitor) -> int:
    room = asyncio.Semaphore(_AT_ONCE // 2)

    async def one() -> bool:
        async with room:
            return (await visitor.http.get("/auth/me")).status_code == httpx.codes.OK

    return sum(await asyncio.gather(*(one() for _ in range(_REQUESTS // 2))))


if __name__ == "__main__":
    asyncio.run(main())
