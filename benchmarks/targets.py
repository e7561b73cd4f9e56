"""What is measured: the server as it is shipped, and the floor beneath it, each in a process of its own beside the stub."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp
import psutil

from benchmarks.answers import Heard, hear_provider, hear_server
from benchmarks.load import Conversation
from benchmarks.processes import free_port, postgres_under, started
from benchmarks.scenario import Scenario

_POSTGRES_STOP_SECONDS: Final = 15

type OpenConversations = Callable[[aiohttp.ClientSession, int], Awaitable[Sequence[Conversation]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running process and how to talk to it; `how` says what the figures include."""

    name: str
    how: str
    process: psutil.Process
    postgres: psutil.Process | None
    open_conversations: OpenConversations
    hear: Callable[[bytes], Heard]

    @property
    def processes(self) -> Sequence[psutil.Process]:
        return [self.process, *([self.postgres] if self.postgres else [])]


type Start = Callable[[Scenario, str], AbstractContextManager[Target]]


@contextmanager
def start_floor(scenario: Scenario, provider_url: str) -> Iterator[Target]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def open_conversations(_clients: aiohttp.ClientSession, users: int) -> Sequence[Conversation]:
        return [Conversation(url=f"{url}/chat", headers={}) for _ in range(users)]

    arguments = ("--port", str(port), "--provider", provider_url, "--model", scenario.model)
    with (
        TemporaryDirectory() as folder,
        started("benchmarks.floor", *arguments, ready_url=f"{url}/health/ready", log=Path(folder, "log")) as process,
    ):
        how = "Starlette under uvicorn hands on the stub's bytes through aiohttp; no database, no accounts, no parsing of tokens"
        yield Target(name="floor", how=how, process=process, postgres=None, open_conversations=open_conversations, hear=hear_provider)


@contextmanager
def start_server(scenario: Scenario, provider_url: str) -> Iterator[Target]:
    how = "`python -m app serve` in staging's settings, embedded Postgres of its own; log to a file; sign-up before the clock starts"
    with _serving(scenario, provider_url, "server", how, {}) as target:
        yield target


@contextmanager
def start_server_without_log(scenario: Scenario, provider_url: str) -> Iterator[Target]:
    """What the durable event log costs is the difference."""
    how = "the same, but events are written to the database once, with the run's end"
    with _serving(scenario, provider_url, "without log", how, {"EVENT_FLUSH_MS": "3600000"}) as target:
        yield target


@contextmanager
def _serving(scenario: Scenario, provider_url: str, title: str, how: str, more: Mapping[str, str]) -> Iterator[Target]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def open_conversations(clients: aiohttp.ClientSession, users: int) -> Sequence[Conversation]:
        return await asyncio.gather(*(_signed_up(clients, f"{url}/api/v1", number) for number in range(users)))

    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        variables = {**_server_variables(scenario, provider_url, port, folder), **more}
        with started("app", "serve", ready_url=f"{url}/health/ready", log=folder / "log", variables=variables) as process:
            postgres = postgres_under(folder)
            yield Target(name=title, how=how, process=process, postgres=postgres, open_conversations=open_conversations, hear=hear_server)
        if postgres:
            psutil.wait_procs([postgres], timeout=_POSTGRES_STOP_SECONDS)


def _server_variables(scenario: Scenario, provider_url: str, port: int, folder: Path) -> Mapping[str, str]:
    return {
        "APP_ENV": "staging",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": "",
        "MIGRATE_ON_START": "true",
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": provider_url,
        "DEFAULT_LLM_MODEL": scenario.model,
        "RATE_LIMIT_ENABLED": "false",
        "LOG_LEVEL": "info",
        "LOG_FORMAT": "json",
    }


async def _signed_up(clients: aiohttp.ClientSession, api: str, number: int) -> Conversation:
    """Register one user and open a session: argon2 is dear on purpose, and no part of a turn."""
    account = {"email": f"user{number}@example.com", "password": f"Measured-{number}!"}
    async with clients.post(f"{api}/auth/register", json=account, raise_for_status=True) as response:
        token = (await response.json())["tokens"]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with clients.post(f"{api}/sessions", json={}, headers=headers, raise_for_status=True) as response:
        session_id = (await response.json())["id"]
    return Conversation(url=f"{api}/sessions/{session_id}/chat/stream", headers=headers)


TARGETS: Final[Mapping[str, Start]] = {"floor": start_floor, "server": start_server, "without-log": start_server_without_log}
