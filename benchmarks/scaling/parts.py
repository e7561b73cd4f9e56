"""Start so many servers behind the proxy, with all that they and a measurement need, each a process of its own."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil

from app.persistence import migrate
from benchmarks.database import Database, start_database
from benchmarks.driver import Driver, start_driver
from benchmarks.orders import Conversation
from benchmarks.processes import free_port, started
from benchmarks.provider import Provider
from benchmarks.scaling.figures import CLIENTS, POOLER, POSTGRES, PROXY, SERVERS, STUB
from benchmarks.scenario import Scenario
from benchmarks.targets import server_variables, signed_up
from tests.scale.programs import PoolerProcess, ProxyProcess

# By which Postgres tells whose a connection is; libpq reads it.
SERVER_NAME: Final = "measured-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    processes: Mapping[str, Sequence[psutil.Process]]
    database: Database
    driver: Driver
    provider: Provider
    conversations: Sequence[Conversation]


@contextmanager
def start_parts(scenario: Scenario, provider: Provider, servers: int, *, is_pooled: bool) -> Iterator[Parts]:
    """Sign everybody up, through the proxy."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder = Path(name)
        database = stack.enter_context(start_database(folder / "data"))
        migrate.up(database.url)
        pooler = stack.enter_context(PoolerProcess(folder, database.url)) if is_pooled else None
        variables = {**server_variables(scenario, provider.url, 0, folder), **_addresses(database, pooler)}
        ports = [free_port() for _ in range(servers)]
        running = [stack.enter_context(_started(port, number, variables, folder)) for number, port in enumerate(ports)]
        proxy = stack.enter_context(ProxyProcess(folder, ports))
        driver = stack.enter_context(start_driver("benchmarks.load", log=folder / "load.log"))
        api = f"{proxy.url}/api/v1"
        yield Parts(
            processes={
                SERVERS: running,
                POSTGRES: [database.process],
                PROXY: [proxy.process],
                **({POOLER: [pooler.process]} if pooler else {}),
                STUB: [provider.process],
                CLIENTS: [driver.process],
            },
            database=database,
            driver=driver,
            provider=provider,
            conversations=asyncio.run(signed_up(api, scenario)),
        )


def _addresses(database: Database, pooler: PoolerProcess | None) -> Mapping[str, str]:
    if pooler is None:
        return {"DATABASE_URL": database.url}
    return {"DATABASE_URL": pooler.url, "DATABASE_DIRECT_URL": database.url}


@contextmanager
def _started(port: int, number: int, variables: Mapping[str, str], folder: Path) -> Iterator[psutil.Process]:
    own = {**variables, "PORT": str(port), "MIGRATE_ON_START": "false", "PGAPPNAME": f"{SERVER_NAME}{number}"}
    ready = f"http://127.0.0.1:{port}/health/ready"
    with started("app", "serve", ready_url=ready, log=folder / f"server-{number}.log", variables=own) as process:
        yield process
