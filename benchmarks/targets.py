"""What is measured: the server as it is shipped and the floors beneath it, each in a process of its own beside the stub."""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp
import psutil
import yaml

from benchmarks.database import Database, start_database
from benchmarks.driver import Driver, start_driver
from benchmarks.orders import Conversation
from benchmarks.processes import ROOT, free_port, started
from benchmarks.provider import Provider
from benchmarks.scenario import Scenario
from tests.langfuse_stub import PUBLIC_KEY, SECRET_KEY

_MOST_ACCOUNTS: Final = 50
_SIGN_UP_SECONDS: Final = 120
_DEFAULT_LIVE_RUNS: Final = 200
# A small model's; so a long session outgrows it.
_CONTEXT_WINDOW: Final = 32_000
_PRICES: Final = {"input": 0.25, "cached_input": 0.025, "output": 2.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running process and who talks to it, which may be itself; `how` says what the figures include.

    What is said in `rehearsals` does not count, and is not in the `conversations`.
    """

    name: str
    how: str
    process: psutil.Process
    driver: Driver
    conversations: Sequence[Conversation]
    rehearsals: Sequence[Conversation]
    database: Database | None = None


type Start = Callable[[Scenario, Provider], AbstractContextManager[Target]]


@contextmanager
def start_stub(scenario: Scenario, provider: Provider) -> Iterator[Target]:
    """The stub itself: what a client sees with nothing in between."""
    conversation = Conversation(url=f"{provider.url}/chat/completions", headers={}, dialect="provider", model=scenario.model)
    with TemporaryDirectory() as name, start_driver("benchmarks.load", log=Path(name, "load.log")) as driver:
        yield Target(
            name="stub",
            how="The clients talk to the stub, with nothing in between; its CPU is the stub's own",
            process=provider.process,
            driver=driver,
            conversations=[conversation] * scenario.users,
            rehearsals=[conversation] * scenario.users,
        )


@contextmanager
def start_floor(scenario: Scenario, provider: Provider) -> Iterator[Target]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ("--port", str(port), "--provider", provider.url, "--model", scenario.model)
    conversation = Conversation(url=f"{url}/{_path(scenario)}", headers={}, dialect="provider")
    with (
        TemporaryDirectory() as name,
        started("benchmarks.floor", *arguments, ready_url=f"{url}/health/ready", log=Path(name, "log")) as process,
        start_driver("benchmarks.load", log=Path(name, "load.log")) as driver,
    ):
        yield Target(
            name="floor",
            how="Starlette under uvicorn hands on the stub's bytes through aiohttp; no database, no accounts, no parsing of tokens",
            process=process,
            driver=driver,
            conversations=[conversation] * scenario.users,
            rehearsals=[conversation] * scenario.users,
        )


@contextmanager
def start_graph(scenario: Scenario, provider: Provider) -> Iterator[Target]:
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, start_database(Path(name, "data")) as database:
        arguments = ("--database", database.url, "--provider", provider.url, "--model", scenario.model)
        with start_driver("benchmarks.graph_floor", *arguments, log=Path(name, "log")) as driver:
            yield Target(
                name="graph",
                how="The same graph in one process that is its own client: stock ChatOpenAI, stock AsyncPostgresSaver on a pool, "
                'stream_mode="messages"; no HTTP, no accounts, no event log, no transcript',
                process=driver.process,
                driver=driver,
                conversations=_threads("session", scenario),
                rehearsals=_threads("rehearsal", scenario),
                database=database,
            )


@contextmanager
def start_server(scenario: Scenario, provider: Provider) -> Iterator[Target]:
    how = "`python -m app serve` in staging's settings, embedded Postgres, log to a file; sign-up before the clock starts"
    with _serving(scenario, provider, "server", how, {}) as target:
        yield target


@contextmanager
def start_server_without_log(scenario: Scenario, provider: Provider) -> Iterator[Target]:
    """What the durable event log costs is the difference."""
    how = "The same as server, but events are written to the database once, with the run's end"
    with _serving(scenario, provider, "without-log", how, {"EVENT_FLUSH_MS": "3600000"}) as target:
        yield target


@contextmanager
def start_traced_server(scenario: Scenario, provider: Provider) -> Iterator[Target]:
    """What traces cost is the difference; their backend is a stand-in in a process of its own."""
    how, port = "The same as server, but each run is traced, without text", free_port()
    url = f"http://127.0.0.1:{port}"
    keys = {"LANGFUSE_PUBLIC_KEY": PUBLIC_KEY, "LANGFUSE_SECRET_KEY": SECRET_KEY, "LANGFUSE_BASE_URL": url}
    with (
        TemporaryDirectory() as name,
        started("tests.langfuse_stub", str(port), ready_url=f"{url}/health", log=Path(name, "log")),
        _serving(scenario, provider, "traced", how, keys) as target,
    ):
        yield target


TARGETS: Final[Mapping[str, Start]] = {
    "stub": start_stub,
    "floor": start_floor,
    "graph": start_graph,
    "server": start_server,
    "without-log": start_server_without_log,
    "traced": start_traced_server,
}


@contextmanager
def _serving(scenario: Scenario, provider: Provider, name: str, how: str, more: Mapping[str, str]) -> Iterator[Target]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory(ignore_cleanup_errors=True) as temporary, start_database(Path(temporary, "data")) as database:
        folder = Path(temporary)
        variables = {**server_variables(scenario, provider.url, port, folder), **more}
        with (
            started("app", "serve", ready_url=f"{url}/health/ready", log=folder / "log", variables=variables) as process,
            start_driver("benchmarks.load", log=folder / "load.log") as driver,
        ):
            conversations = asyncio.run(signed_up(f"{url}/api/v1", scenario))
            rehearsals = asyncio.run(_sessions(f"{url}/api/v1", scenario, [one.headers for one in conversations]))
            yield Target(
                name=name, how=how, process=process, driver=driver, conversations=conversations, rehearsals=rehearsals, database=database
            )


def server_variables(scenario: Scenario, provider_url: str, port: int, folder: Path) -> Mapping[str, str]:
    models = folder / "models.yaml"
    models.write_text(yaml.safe_dump({"models": [{"name": scenario.model, "context_window": _CONTEXT_WINDOW, "prices": _PRICES}]}))
    return {
        "APP_ENV": "staging",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": "",
        "MIGRATE_ON_START": "true",
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "MODELS_FILE": str(models),
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": provider_url,
        "DEFAULT_LLM_MODEL": scenario.model,
        "RATE_LIMIT_ENABLED": "false",
        "STOP_NOTICE_SECONDS": "0",  # there is no proxy
        "TIERS_FILE": str(ROOT / "tiers.development.yaml"),  # all is counted, and nobody stopped
        "MAX_LIVE_RUNS": str(max(_DEFAULT_LIVE_RUNS, scenario.users)),
        "LOG_LEVEL": "info",
        "LOG_FORMAT": "json",
    }


def _threads(name: str, scenario: Scenario) -> Sequence[Conversation]:
    return [Conversation(url=f"{name}-{user}", headers={}, dialect="milepost") for user in range(scenario.users)]


def _path(scenario: Scenario) -> str:
    return "chat" if scenario.whole else "chat/stream"


async def signed_up(api: str, scenario: Scenario) -> Sequence[Conversation]:
    """Give each user a session. Of many, several share an account: argon2 is dear on purpose, and no part of a turn."""
    async with _http() as http:
        accounts = await asyncio.gather(*(_register(http, api, number) for number in range(min(scenario.users, _MOST_ACCOUNTS))))
    return await _sessions(api, scenario, [accounts[number % len(accounts)] for number in range(scenario.users)])


async def _sessions(api: str, scenario: Scenario, owners: Sequence[Mapping[str, str]]) -> Sequence[Conversation]:
    async with _http() as http:
        sessions = await asyncio.gather(*(_open_session(http, api, owner) for owner in owners))
    return [
        Conversation(url=f"{api}/sessions/{session}/{_path(scenario)}", headers=owner, dialect="milepost")
        for session, owner in zip(sessions, owners, strict=True)
    ]


def _http() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SIGN_UP_SECONDS), raise_for_status=True)


async def _register(http: aiohttp.ClientSession, api: str, number: int) -> Mapping[str, str]:
    account = {"email": f"user{number}@example.com", "password": f"Measured-{number}!"}
    async with http.post(f"{api}/auth/register", json=account) as response:
        return {"Authorization": f"Bearer {(await response.json())['tokens']['access_token']}"}


async def _open_session(http: aiohttp.ClientSession, api: str, owner: Mapping[str, str]) -> str:
    async with http.post(f"{api}/sessions", json={}, headers=owner) as response:
        return str((await response.json())["id"])
