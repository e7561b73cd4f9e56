"""A Milepost server as any client sees it: HTTP, problem documents, and streams of events that outlive a connection."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import uuid4

import httpx2

from app.errors import AppError, Unavailable, error_of
from app.terminal.screen import clean

# A stream's silence is bridged every few seconds.
_TIMEOUT: Final = httpx2.Timeout(30, connect=5)
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 8.0
_MOST_FAILURES: Final = 10
# A proxy whose server is being restarted, and a server that stops, has too much to do or waits for its database.
_PASSING: Final = (502, 503, 504)

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    number: int
    type: str
    data: Mapping[str, Any]


class Server:
    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.http = httpx2.Client(base_url=f"{self.url}/api/v1/", timeout=_TIMEOUT)
        self._renew: Callable[[], str | None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def use(self, token: str, renew: Callable[[], str | None] = lambda: None) -> None:
        """Speak as the user whose token this is; `renew` gives another one when it has ended, or None."""
        self.http.headers["Authorization"] = f"Bearer {token}"
        self._renew = renew

    def has_another_token(self, refused: httpx2.Response) -> bool:
        """Whether the same request may be sent again, with a token that is newer than the one that was refused."""
        if refused.status_code != httpx2.codes.UNAUTHORIZED or (token := self._renew()) is None:
            return False
        self.http.headers["Authorization"] = f"Bearer {token}"
        return True

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401  # JSON of any shape
        """Raise the AppError that the server tells of, or Unavailable."""
        return self._send("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, form: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """As `get`, with a body of JSON or a form."""
        return self._send("POST", path, json=body, data=form)

    def _send(self, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401
        try:
            answer = self.http.request(method, path, **more)
            if self.has_another_token(answer):
                answer = self.http.request(method, path, **more)
        except httpx2.TransportError as error:
            raise _silent(self.url) from error
        if not answer.is_success:
            raise problem_of(answer)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise _stranger(answer) from error


class Reading:
    """A run's events from its first to its `end`, each once: it sends once, and reads on where a connection was lost.

    Who breaks off may begin again, and goes on after the last one.
    """

    def __init__(self, server: Server, path: str = "", body: Mapping[str, Any] | None = None, *, run_id: str = "") -> None:
        self._server = server
        self._path = path
        self._body = {name: value for name, value in (body or {}).items() if value is not None}
        self._key = uuid4().hex
        self.run_id = run_id
        self._last = 0
        self._has_ended = False

    def __iter__(self) -> Iterator[Event]:
        failures = 0
        while not self._has_ended:
            before = self._last
            yield from self._connected()
            failures = 1 if self._last > before else failures + 1
            if failures > _MOST_FAILURES:
                raise _silent(self._server.url)
            if not self._has_ended:
                time.sleep(min(_FIRST_PAUSE_SECONDS * 2 ** (failures - 1), _LONGEST_PAUSE_SECONDS))

    def _connected(self) -> Iterator[Event]:
        """What one connection brings; what the request itself is to blame for is raised."""
        try:
            with self._ask() as answer:
                if not answer.is_success:
                    answer.read()
                    if answer.status_code in _PASSING or self._server.has_another_token(answer):
                        return
                    raise problem_of(answer)
                self.run_id = answer.headers.get("X-Run-ID", self.run_id)
                for event in _events(answer):
                    self._last, self._has_ended = event.number, event.type == "end"
                    yield event
                    if self._has_ended:
                        return
        except httpx2.TransportError:
            return

    def _ask(self) -> AbstractContextManager[httpx2.Response]:
        if self.run_id:
            return self._server.http.stream("GET", f"runs/{self.run_id}/stream", headers={"Last-Event-ID": str(self._last)})
        return self._server.http.stream("POST", self._path, json=self._body, headers={"Idempotency-Key": self._key})


def problem_of(answer: httpx2.Response) -> AppError:
    """The error that a problem document tells of; of another server's answer, its status."""
    try:
        told = answer.json()
        return error_of(told["code"], clean(_in_words(told)))
    except (ValueError, KeyError, TypeError):
        return _stranger(answer)


def _stranger(answer: httpx2.Response) -> AppError:
    moved = f" It sends to {answer.headers['Location']}: name that." if answer.has_redirect_location else ""
    return AppError(clean(f"{answer.url.host} answered {answer.status_code}, and not as a Milepost server does.{moved}"))


def _in_words(told: Mapping[str, Any]) -> str:
    faults = "; ".join(f"{fault['field']}: {fault['message']}" for fault in told.get("errors") or ())
    return f"{told['detail']} {faults}".rstrip()


def _events(answer: httpx2.Response) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields and not line:
            yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


def _silent(url: str) -> Unavailable:
    return Unavailable(
        f"No server answers at {url}. `make dev` starts one here; another is named by its address, with http:// or https://."
    )
