"""No key, password, token or word of a user's in anything the server says that is not for them: its log, its metrics, its refusals."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest
import pytest_asyncio

from tests.faults.server_process import ROOT, ServerProcess
from tests.security.owned import SECRET, things_of
from tests.security.routes import routes_of
from tests.stub.answers import Hang, HttpError, Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

KEY: Final = "sk-canary-4f1d8e5b0c7a"
JWT_KEY: Final = "canary-jwt-9b2c6d7e1f3a5b8c0d4e6f7a8b9c0d1e"
PASSWORD: Final = "Canary-2c9f4e7a1b"
EMAIL: Final = "canary-31f7@example.com"
_FORGED: Final = '\n{"event": "forged", "level": "info"}\r\n\x1b[2J\x1b[31mforged\x07'


@pytest.fixture(params=["json", "console"])
def canary_variables(variables_of_test: Mapping[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    return {
        **variables_of_test,
        "OPENAI_API_KEY": KEY,
        "JWT_SECRET_KEY": JWT_KEY,
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": request.param,
        "WORKER_IN_SERVER": "true",
        "LEASE_SECONDS": "2",
        "LLM_IDLE_SECONDS": "2",
    }


@pytest_asyncio.fixture
async def canary_server(canary_variables: Mapping[str, str], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(canary_variables, tmp_path / "server.log") as server:
        yield server


class Heard:
    """A visitor's ear: every answer, as text."""

    def __init__(self, visitor: Visitor) -> None:
        self.answers: list[tuple[httpx.URL, str]] = []
        visitor.http.event_hooks["response"] = [self._hear]

    async def _hear(self, answer: httpx.Response) -> None:
        await answer.aread()
        self.answers.append((answer.url, f"{answer.headers}\n{answer.text}"))

    def where(self, secret: str) -> list[str]:
        return [str(url) for url, text in self.answers if secret in text]


async def _walk(server: ServerProcess, visitor: Visitor, things: Mapping[str, str]) -> None:
    """Every route, as it should be asked, with a body that makes no sense, and with one that is not whole; the end of an account last."""
    routes = [
        route for route in await routes_of(server.url) if not route.path.endswith(("/me", "/logout", "/logout-everywhere", "/password"))
    ]
    for route in sorted(routes, key=lambda route: route.method == "delete"):
        address, body = server.url + route.address(things), route.body(things)
        for more in (body, {"json": {"password": PASSWORD, "message": SECRET, _FORGED: SECRET}}, {"content": f'{{"{PASSWORD}'}):
            arguments: dict[str, Any] = more if route.method not in {"get", "delete"} or more is body else {}
            await visitor.http.request(route.method, address, **arguments)


async def _misbehave(visitor: Visitor, session: str, provider: ProviderStub) -> None:
    """What people and providers do wrong, with secrets where they do not belong."""
    await provider.script(
        HttpError(401, message=f"Incorrect API key provided: {KEY}.", when="1"),
        HttpError(500, message=f"{KEY} {SECRET}", when="2"),
        HttpError(400, message=f"{SECRET} is not allowed", when="3"),
        Text(SECRET, ending="not_json", when="4"),
        Text(SECRET, ending="reset", when="5"),
        Hang(when="6"),
    )
    for number in range(1, 7):
        await visitor.ask(session, f"{SECRET} {number}")
    token = visitor.http.headers["Authorization"]
    for username, password in ((EMAIL, f"{PASSWORD}x"), (PASSWORD, EMAIL), (f"{EMAIL}{_FORGED}", PASSWORD)):
        await visitor.http.post("/auth/login", data={"username": username, "password": password})
    await visitor.http.post("/auth/register", json={"email": EMAIL, "password": PASSWORD})
    await visitor.http.post("/auth/register", json={"email": PASSWORD, "password": KEY})
    await visitor.http.get("/auth/me", params={"token": token, "password": PASSWORD}, headers={"Authorization": f"{token}x"})
    await visitor.http.get(f"/sessions/{SECRET}%0A%1B[31mforged")
    await visitor.http.get(
        "/sessions", params={"q": f"{SECRET}{_FORGED}"}, headers={"User-Agent": f"{SECRET} forged", "X-Request-ID": "forged id"}
    )
    await visitor.http.request("PROPFIND", f"/{SECRET}")
    await visitor.http.get("/sessions", headers={"Cookie": f"session={PASSWORD}", "Referer": f"http://x/?p={PASSWORD}"})


async def test_no_secret_is_in_what_the_server_says(
    canary_server: ServerProcess, provider: ProviderStub, database_url: str, canary_variables: Mapping[str, str]
) -> None:
    async with Visitor(canary_server.url) as visitor:
        made = (await visitor.http.post("/auth/register", json={"email": EMAIL, "password": PASSWORD})).json()
        token = made["tokens"]["access_token"]
        visitor.http.headers["Authorization"] = f"Bearer {token}"
        things = await things_of(visitor, provider, database_url, email=EMAIL)
        refresh = made["tokens"]["refresh_token"]
        key = (await visitor.http.post("/auth/api-keys", json={"name": "Canary", "scopes": ["read"]})).json()["key"]
        heard = Heard(visitor)
        await _walk(canary_server, visitor, {**things, "password": PASSWORD})
        await _misbehave(visitor, await visitor.open_session(), provider)
        for sent in (refresh, f"{refresh}x", key):
            await visitor.http.post("/auth/refresh", json={"refresh_token": sent})
            await visitor.http.get("/auth/me", headers={"x-api-key": sent})
        for path in ("/metrics", "/health", "/openapi.json", "/docs"):
            await visitor.http.get(canary_server.url + path)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE session RENAME TO elsewhere")
        crashed = await visitor.http.post("/sessions", json={"name": SECRET})
        assert crashed.is_server_error
        assert heard.where(KEY) == heard.where(JWT_KEY) == heard.where(PASSWORD) == heard.where(token) == []
        assert heard.where(refresh) == heard.where(key) == []
    assert canary_server.process
    canary_server.process.terminate()
    canary_server.wait()
    output = canary_server.output()
    assert output.count("request_finished") > 100
    for secret in (KEY, JWT_KEY, PASSWORD, token, token.split(".")[2], refresh, key, EMAIL, SECRET, "forged", "\x07"):
        assert secret not in output, [line for line in output.splitlines() if secret in line][:3]
    if canary_variables["LOG_FORMAT"] == "json":
        lines = output[output.index("{") :].splitlines()
        assert all("event" in json.loads(line) for line in lines)


@pytest.mark.parametrize(
    "variables",
    [
        {"JWT_SECRET_KEY": "canary-short", "APP_ENV": "production"},
        {"DATABASE_URL": "postgresql://ada:canary-password@127.0.0.1:1/x"},
        {"DATABASE_URL": "mysql://ada:canary-password@127.0.0.1/x"},
        {"REDIS_URL": "canary://ada:canary-password@127.0.0.1:1/0"},
    ],
    ids="-".join,
)
def test_a_server_that_cannot_start_tells_no_secret(variables_of_test: Mapping[str, str], variables: Mapping[str, str]) -> None:
    environment = {**variables_of_test, "LOG_LEVEL": "debug", "DATABASE_CONNECT_SECONDS": "1", "PORT": "0", "DEBUG": "false", **variables}
    command = [sys.executable, "-m", "app", "migrate", "current"]
    if "DATABASE_URL" not in variables:
        command = [sys.executable, "-m", "app", "serve"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  # our own module
    assert done.returncode != 0
    assert "canary" not in done.stdout + done.stderr
