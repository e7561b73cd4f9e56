"""A running server, over HTTP and SSE as its clients have it."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import uuid4

import httpx2

from app.errors import AppError
from app.terminal.server import problem_of
from evals.answers import Turn
from evals.errors import EvalsError, Misused
from evals.options import Options
from evals.targets.hearing import Hearing
from evals.targets.talking import NotAnswered

_TIMEOUT: Final = httpx2.Timeout(30, connect=5)
_PASSING: Final = (429, 502, 503, 504)
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 8.0
_MOST_FAILURES: Final = 10
# A quota that begins anew tomorrow is nothing to wait for.
_LONGEST_WAIT_SECONDS: Final = 120
_PASSWORD: Final = "MILEPOST_PASSWORD"  # noqa: S105  # a variable's name
_EMAIL: Final = "MILEPOST_EMAIL"
_API_KEY: Final = "MILEPOST_API_KEY"

type Json = dict[str, Any]


class Login:
    """Who asks: by a key, or by an email and a password, whose tokens end and are got again."""

    def __init__(self, http: httpx2.AsyncClient, options: Options) -> None:
        self._http = http
        self._email = options.email or os.environ.get(_EMAIL, "")
        self._key = "" if options.email else os.environ.get(_API_KEY, "")
        self._password = os.environ.get(_PASSWORD, "")
        self._lock = asyncio.Lock()

    async def enter(self, refused: str = "") -> bool:
        """Have the client speak as the user; False where what was `refused` is all there is."""
        if self._key:
            self._http.headers["Authorization"] = f"Bearer {self._key}"
            return not refused
        if not self._email or not self._password:
            raise Misused(f"Say who asks: {_API_KEY}, or --email (or {_EMAIL}) with {_PASSWORD}.")
        async with self._lock:
            if refused and self._http.headers.get("Authorization") != refused:
                return True  # somebody else was faster
            answer = await self._http.post("auth/login", data={"username": self._email, "password": self._password})
            if not answer.is_success:
                raise _not_answered(problem_of(answer))
            self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            return True


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
            models = (await self.send("GET", "models"))["items"]
        except NotAnswered as reason:
            raise EvalsError(reason.detail) from reason
        except httpx2.TransportError as error:
            raise EvalsError(f"No server answers at {self._options.url}.") from error
        names = [model["name"] for model in models]
        if self._model and self._model not in names:
            raise Misused(f"The server has no model {self._model}; there are {', '.join(names)}.")
        self._model = self._model or next((model["name"] for model in models if model.get("default")), "")

    @asynccontextmanager
    async def conversation(self) -> AsyncGenerator["ServerConversation"]:
        held = {"remember": False, "temporary": not self._options.keeps_sessions, "agent": self._options.agent or None}
        session = (await self.send("POST", "sessions", {name: value for name, value in held.items() if value is not None}))["id"]
        try:
            yield ServerConversation(self, session, self._options.model)
        finally:
            if not self._options.keeps_sessions:
                with suppress(NotAnswered):  # it is a temporary one: the server sees to it
                    await self.send("DELETE", f"sessions/{session}")

    async def send(self, method: str, path: str, body: Json | None = None) -> Any:  # noqa: ANN401  # JSON of any shape
        """Raise NotAnswered when the server refuses it, or has been away for too long."""
        async for pause in _pauses():
            try:
                answer = await self._http.request(method, path, json=body)
            except httpx2.TransportError:
                await asyncio.sleep(pause)
                continue
            if answer.is_success:
                return answer.json() if answer.content else None
            await self.bear(answer, pause)
        raise _silent(self._options.url)

    async def events(self, path: str, body: Json, hearing: Hearing) -> AsyncIterator[tuple[str, Json]]:
        """A run's events, each once, to its end; where a connection is lost it is read on from there."""
        key, last = uuid4().hex, 0
        async for pause in _pauses():
            before = last
            try:
                async with self._ask(path, body, key, hearing.run_id, last) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        await self.bear(answer, pause)
                        continue
                    hearing.run_id = answer.headers.get("X-Run-ID", hearing.run_id)
                    async for number, kind, event in _events(answer):
                        last = number
                        yield kind, event
                        if kind == "end":
                            return
            except httpx2.TransportError:
                pass
            if last == before:
                await asyncio.sleep(pause)
        raise _silent(self._options.url)

    async def bear(self, refused: httpx2.Response, pause: float) -> None:
        """Wait for what passes, log in again where a token has ended; raise NotAnswered for what another try would not change."""
        if refused.status_code == httpx2.codes.UNAUTHORIZED and await self._login.enter(refused.request.headers["Authorization"]):
            return
        wait = _wait_seconds(refused, pause)
        if refused.status_code not in _PASSING or wait > _LONGEST_WAIT_SECONDS:
            raise _not_answered(problem_of(refused))
        await asyncio.sleep(wait)

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


async def _pauses() -> AsyncIterator[float]:
    """So many tries, with how long to wait after each that fails."""
    for failures in range(_MOST_FAILURES):
        yield min(_FIRST_PAUSE_SECONDS * 2**failures, _LONGEST_PAUSE_SECONDS)


async def _events(answer: httpx2.Response) -> AsyncIterator[tuple[int, str, Json]]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields and not line:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


def _wait_seconds(refused: httpx2.Response, pause: float) -> float:
    told = refused.headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else pause


def _not_answered(error: AppError) -> NotAnswered:
    return NotAnswered(error.code, error.detail)


def _silent(url: str) -> NotAnswered:
    return NotAnswered("server_away", f"No server answers at {url}.")
