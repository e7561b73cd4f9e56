"""Somebody who uses the API over a real socket, as a frontend would."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx

PASSWORD: Final = "Analytical-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A server-sent event as it came."""

    id: int
    type: str
    data: dict[str, Any]


class Visitor:
    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def register(self, email: str) -> None:
        """Make an account, and be logged in from here on."""
        answer = await self.http.post("/auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['tokens']['access_token']}"

    async def open_session(self, name: str = "Named") -> str:
        """Without a name a worker asks the model for one, at any time, and takes an answer that is scripted for another."""
        answer = await self.http.post("/sessions", json={"name": name})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return str(answer.json()["id"])

    async def ask(self, session_id: str, message: str, **more: Any) -> httpx.Response:
        """Send a message and wait for the whole answer."""
        return await self.http.post(f"/sessions/{session_id}/chat", json={"message": message, **more})

    async def stream(self, session_id: str, message: str, **more: Any) -> list[Event]:
        """Send a message and read its events to the end."""
        async with self.streaming(session_id, message, **more) as events:
            return [event async for event in events]

    @asynccontextmanager
    async def streaming(self, session_id: str, message: str, **more: Any) -> AsyncIterator[AsyncIterator[Event]]:
        """Send a message and read its events as they come; leaving hangs up."""
        path = f"/sessions/{session_id}/chat/stream"
        async with self.http.stream("POST", path, json={"message": message, **more}) as answer:
            assert answer.status_code == httpx.codes.OK, (await answer.aread()).decode()
            yield events_of(answer)

    async def read_on(self, run_id: str, after: int = 0) -> list[Event]:
        """Read a run's events from a place to the end, as EventSource would after a lost connection."""
        async with self.http.stream("GET", f"/runs/{run_id}/stream", headers={"Last-Event-ID": str(after)}) as answer:
            assert answer.status_code == httpx.codes.OK, (await answer.aread()).decode()
            return [event async for event in events_of(answer)]

    async def messages(self, session_id: str) -> list[dict[str, Any]]:
        answer = await self.http.get(f"/sessions/{session_id}/messages")
        assert answer.status_code == httpx.codes.OK, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


async def events_of(answer: httpx.Response) -> AsyncIterator[Event]:
    """Comments are left out."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields and not line:
            yield Event(id=int(fields["id"]), type=fields["event"], data=json.loads(fields["data"]))
            fields = {}


async def read_a_token(events: AsyncIterator[Event]) -> None:
    """Return when the answer has begun: its model was asked, and takes no other scripted answer."""
    async for event in events:
        if event.type == "token":
            return


def text_of(events: list[Event]) -> str:
    """What a reader has in front of them at the end: `reset` throws away what came before it."""
    begin = max((place for place, event in enumerate(events) if event.type == "reset"), default=-1) + 1
    return "".join(event.data["content"] for event in events[begin:] if event.type == "token")


def types_of(events: list[Event]) -> list[str]:
    """The kinds of events in order, runs of tokens as one."""
    types = [event.type for event in events]
    return [kind for place, kind in enumerate(types) if kind != "token" or types[place - 1] != "token"]
