"""Three servers and two workers behind a real proxy, on one Postgres."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.faults.server_process import ServerProcess
from tests.scale.programs import PoolerProcess, ProxyProcess

SERVERS: Final = 3
WORKERS: Final = 2
LEASE_SECONDS: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`url` is the proxy's, by which everybody comes."""

    url: str
    servers: Sequence[ServerProcess]
    workers: Sequence[ServerProcess]


@pytest.fixture
def cluster_variables(variables_of_test: Mapping[str, str]) -> dict[str, str]:
    return {
        **variables_of_test,
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "STOP_NOTICE_SECONDS": "3",
        "LOG_FORMAT": "json",
        "WORKER_CONCURRENCY": "4",  # so that one alone cannot take all there is
        "TRUSTED_PROXIES": "127.0.0.0/8",
        "JWT_SECRET_KEY": "one-for-all-of-them-and-for-this-test-only",
    }


@pytest.fixture
def pooler(database_url: str, tmp_path: Path) -> Iterator[PoolerProcess]:
    with PoolerProcess(tmp_path, database_url) as pooler:
        yield pooler


@asynccontextmanager
async def cluster_of(variables: Mapping[str, str], folder: Path, *, workers_count: int = WORKERS) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:

        async def started(name: str, command: str = "serve") -> ServerProcess:
            return await stack.enter_async_context(ServerProcess(variables, folder / f"{name}.log", command))

        # One after the other: at once none would be ready in its time.
        servers = [await started(f"server-{number}") for number in range(SERVERS)]
        workers = [await started(f"worker-{number}", "worker") for number in range(workers_count)]
        proxy = stack.enter_context(ProxyProcess(folder, [server.port for server in servers]))
        yield Cluster(url=proxy.url, servers=servers, workers=workers)


async def until(true: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # another process makes it true
            await asyncio.sleep(0.05)
