"""A running server, over HTTP and SSE as its clients have it."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import uuid4

import httpx2

from app.terminal.server import problem_of
from evals.answers import Turn
from evals.errors import EvalsError, Misused
from evals.options import Options
from evals.targets.hearing import Hearing
from evals.targets.login import Login
from evals.targets.talking import NotAnswered, not_answered

_TIMEOUT: Final = httpx2.Timeout(30, connect=5)
_PASSING: Final = (429, 502, 503, 504)
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 8.0
_MOST_FAILURES: Final = 10
# Whoever has mistyped an address should not wait a minute to be told.
_TRIES_AT_FIRST: Final = 3
# A quota that begins anew tomorrow is nothing to wait for.
_LONGEST_WAIT_SECONDS: Final = 120

type Json = dict[str, Any]


class Server:
    """A Target."""

    def __init__(self, http: httpx2.AsyncClient, options: Options, login: Login) -> None:
        self._http = http
        self._options = options
        self._login = login
        self._model = options.model

    @property
    def about(self) -> Mapping[str, str]:
        known = {"kind": "http", "url": self._options.url, "model": self._model, "agent": self._options.agent}
        return {name: value for name, value in known.items() if value}

    async def check(self) -> None:
        """Raise EvalsError where the server is not there or lets nobody in, and Misused for a model that it has not."""
        try:
            await self._login.enter()
            models = await self.send("GET", "models", tries=_TRIES_AT_FIRST)
        except NotAnswered as reason:
            raise EvalsError(reason.detail) from reason
        except httpx2.TransportError as error:
            raise EvalsError(f"No server answers at {self._options.url}.") from error
        except ValueError as error:
            raise EvalsError(f"What answers at {self._options.url} is no Milepost server.") from error
        names = [model["name"] for model in models["items"]]
        if self._model and self._model not in names:
            raise Misused(f"The server has no model {self._model}; there are {', '.join(names)}.")
        self._model = self._model or models["default"]

    @asynccontextmanager
    async def conversation(self) -> AsyncGenerator["ServerConversation"]:
        held = {"remembers": False, "temporary": not self._options.keeps_sessions, "agent": self._options.agent or None}
        session = (await self.send("POST", "sessions", {name: value for name, value in held.items() if value is not None}))["id"]
        try:
            yield ServerConversation(self, session, self._options.model)
        finally:
            if not self._options.keeps_sessions:
                with suppress(NotAnswered):  # it is a temporary one: the server sees to it
                    await self.send("DELETE", f"sessions/{session}")

    async def send(self, method: str, path: str, body: Json | None = None, tries: int = _MOST_FAILURES) -> Any:  # noqa: ANN401  # JSON of any shape
        """Raise NotAnswered when the server refuses it, or has been away for too long."""
        failures = 0
        while failures < tries:
            failures += 1
            try:
                answer = await self._http.request(method, path, json=body)
            except httpx2.TransportError:
                await asyncio.sleep(_pause_seconds(failures))
                continue
            if answer.is_success:
                return answer.json() if answer.content else None
            failures = await self._bear(answer, failures)
        raise _silent(self._options.url)

    async def events(self, path: str, body: Json, hearing: Hearing) -> AsyncGenerator[tuple[str, Json]]:
        """A run's events, each once, to its end; where a connection is lost it is read on from there."""
        key, last, failures = uuid4().hex, 0, 0
        while failures < _MOST_FAILURES:
            failures += 1
            try:
                async with self._ask(path, body, key, hearing.run_id, last) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        failures = await self._bear(answer, failures)
                        continue
                    hearing.run_id = answer.headers.get("X-Run-ID", hearing.run_id)
                    async for number, kind, event in _events(answer):
                        last, failures = number, 0
                        yield kind, event
                        if kind == "end":
                            return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(_pause_seconds(failures))
        raise _silent(self._options.url)

    async def _bear(self, refused: httpx2.Response, failures: int) -> int:
        """Wait for what passes, log in again where a token has ended; how many failures that makes.

        Raise NotAnswered for what another try would not change. To be told when to come again is no failure.
        """
        if refused.status_code == httpx2.codes.UNAUTHORIZED and await self._login.enter(refused.request.headers["Authorization"]):
            return failures
        told = refused.headers.get("Retry-After", "")
        seconds = float(told) if told.isdecimal() else _pause_seconds(failures)
        if refused.status_code not in _PASSING or seconds > _LONGEST_WAIT_SECONDS:
            raise not_answered(problem_of(refused))
        await asyncio.sleep(seconds)
        return failures - bool(told)

    def _ask(self, path: str, body: Json, key: str, run_id: str, last: int) -> Any:  # noqa: ANN401  # httpx2's context manager
        if run_id:
            return self._http.stream("GET", f"runs/{run_id}/stream", headers={"Last-Event-ID": str(last)})
        return self._http.stream("POST", path, json=body, headers={"Idempotency-Key": key})


class ServerConversation:
    def __init__(self, server: Server, session: str, model: str) -> None:
        self._server = server
        self._session = session
        self._model = model
        self._hearing: Hearing | None = None

    @property
    def begun(self) -> Turn | None:
        return self._hearing.turn() if self._hearing else None

    async def ask(self, text: str) -> Turn:
        self._hearing = hearing = Hearing(text)
        body = {"message": text} | ({"model": self._model} if self._model else {})
        try:
            async for kind, event in self._server.events(f"sessions/{self._session}/chat/stream", body, hearing):
                hearing.hear(kind, event)
        except NotAnswered as reason:
            raise NotAnswered(reason.code, reason.detail, hearing.turn()) from reason
        turn = hearing.whole_turn()
        self._hearing = None
        return turn


@asynccontextmanager
async def open_http(options: Options) -> AsyncGenerator[Server]:
    """Raise EvalsError where the server is not there or lets nobody in."""
    async with httpx2.AsyncClient(base_url=f"{options.url.rstrip('/')}/api/v1/", timeout=_TIMEOUT) as http:
        server = Server(http, options, Login(http, options))
        await server.check()
        yield server


def _pause_seconds(failures: int) -> float:
    return min(_FIRST_PAUSE_SECONDS * (1 << max(failures - 1, 0)), _LONGEST_PAUSE_SECONDS)


async def _events(answer: httpx2.Response) -> AsyncIterator[tuple[int, str, Json]]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields and not line:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


def _silent(url: str) -> NotAnswered:
    return NotAnswered("server_away", f"No server answers at {url}.")
