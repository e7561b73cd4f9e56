"""Somebody who asks through the proxy, and reads on through it whenever the connection is lost, as a good client does."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final
from uuid import uuid4

import httpx

from tests.visitor import Event, Visitor, events_of, text_of

_AWAY = frozenset({httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT})
_PAUSE_SECONDS: Final = 0.05
IDS_PER_ATTEMPT: Final = 1_000_000


@dataclass(slots=True)
class Reader:
    """`lost` counts the connections that broke, `refused` the answers that a client is to try again after, by method and status."""

    visitor: Visitor
    read: list[Event] = field(default_factory=list)
    run: str = ""
    lost: int = 0
    refused: Counter[tuple[str, int]] = field(default_factory=Counter)

    @property
    def tokens(self) -> int:
        return sum(event.type == "token" for event in self.read)

    async def ask(self, session: str, message: str) -> None:
        """Send it once, whatever it takes, and read to the end."""
        path, key = f"/sessions/{session}/chat/stream", uuid4().hex
        while not self.run:
            await self._take("POST", path, {"Idempotency-Key": key}, {"message": message})
        await self.read_on(self.run)

    async def read_on(self, run: str) -> None:
        while not self.read or self.read[-1].type != "end":
            last = str(self.read[-1].id if self.read else 0)
            await self._take("GET", f"/runs/{run}/stream", {"Last-Event-ID": last}, None)

    async def _take(self, method: str, path: str, headers: dict[str, str], body: dict[str, str] | None) -> None:
        try:
            async with self.visitor.http.stream(method, path, headers=headers, json=body) as answer:
                if answer.status_code in _AWAY:
                    self.refused[method, answer.status_code] += 1
                    await asyncio.sleep(_PAUSE_SECONDS)
                    return
                assert answer.status_code == httpx.codes.OK, (await answer.aread()).decode()
                self.run = answer.headers["x-run-id"]
                async for event in events_of(answer):
                    self.read.append(event)
        except httpx.TransportError:
            self.lost += 1
            await asyncio.sleep(_PAUSE_SECONDS)

    def assert_whole(self, text: str) -> None:
        """The whole answer once, one end, and in each attempt no event missing or told twice."""
        assert text_of(self.read) == text
        for attempt, told in groupby(self.read, lambda event: (event.id - 1) // IDS_PER_ATTEMPT):
            events, first = list(told), attempt * IDS_PER_ATTEMPT + 1
            assert [event.id for event in events] == list(range(first, first + len(events)))
            assert (events[0].type == "reset") == (attempt > 0)
        assert [event.type for event in self.read].count("end") == 1
        assert self.read[-1].data["status"] == "completed"
