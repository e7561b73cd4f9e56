"""Reading a run, from any place in it and in any process: from memory where it is made, from the database elsewhere."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from app import signals
from app.errors import DatabaseUnavailable, EventsExpired
from app.persistence.values import Entry, Run, RunStatus
from app.runs.attempts import Attempts
from app.runs.bulletin import Bulletin
from app.runs.events import Ended, encode
from app.runs.log import RunLog
from app.runs.walk import FIRST_ATTEMPT

_LOOK_SECONDS: Final = 1
_BEYOND: Final = 2**62  # after any event


class EventReader(Protocol):
    async def read(self, run_id: UUID, after: int) -> Sequence[Entry]: ...
    async def has_ended(self, run_id: UUID) -> bool: ...
    async def is_kept(self, run_id: UUID) -> bool: ...
    async def is_gone(self, run_id: UUID) -> bool: ...


class Tails:
    def __init__(self, attempts: Attempts, events: EventReader, bulletin: Bulletin, patience_seconds: float = 30) -> None:
        """A database that is away for longer than `patience_seconds` ends a tail."""
        self._attempts = attempts
        self._events = events
        self._bulletin = bulletin
        self._patience_seconds = patience_seconds
        self._closing = False

    @property
    def is_closing(self) -> bool:
        return self._closing

    async def read(self, run_id: UUID, *, after: int = 0, silence_seconds: float) -> AsyncGenerator[Sequence[Entry]]:
        """Yield what follows the sequence number `after` up to the run's end, in batches; an empty one for each silence.

        Closing it changes nothing for the run. Without the end it ends when this process does: the run goes on elsewhere. Raise
        DatabaseUnavailable when nothing can be read for too long.
        """
        place = _Place(after)
        with self._bulletin.subscribed(run_id) as news:
            while not self._closing:
                live = self._first_log(run_id)
                reading = live.tail(after=place.after, silence_seconds=silence_seconds) if live else self._stored(run_id, place, news)
                async with aclosing(reading):
                    async for entries in reading:
                        place.move(entries)
                        yield entries
                if place.is_over and not place.is_end and await self._events.is_gone(run_id):
                    yield _taken_away(place.after)
                if place.is_end or place.is_over:
                    return
                if not live and not await _within(min(silence_seconds, self._patience_seconds), news):
                    yield ()

    def close(self) -> None:
        """End every tail: a server that stops cannot tell them more, and their readers find the run elsewhere."""
        self._closing = True
        self._bulletin.tell_all()

    async def check(self, run: Run) -> None:
        """Raise EventsExpired when the run ended so long ago that it can no longer be read."""
        if run.finished_at and not await self._events.is_kept(run.id):
            signals.event_gap()
            raise EventsExpired

    async def until_end(self, run_id: UUID) -> None:
        """Wait until the run has ended, in whichever process."""
        async for _ in self.read(run_id, after=_BEYOND, silence_seconds=_LOOK_SECONDS):
            pass

    def _first_log(self, run_id: UUID) -> RunLog | None:
        """A later attempt's log begins in the middle: its readers need what the database has from before."""
        live = self._attempts.find(run_id)
        return live.log if live and live.log.attempt == FIRST_ATTEMPT else None

    async def _stored(self, run_id: UUID, place: "_Place", news: asyncio.Event) -> AsyncGenerator[Sequence[Entry]]:
        """What the database has now."""
        news.clear()
        try:
            # Asked first: of a run that has ended, all there will ever be is there to read.
            ended = await self._events.has_ended(run_id)
            while not place.is_end and (entries := await self._events.read(run_id, place.after)):
                signals.events_replayed(len(entries))
                yield entries
            place.is_over, place.away_since = ended, None
        except DatabaseUnavailable:
            place.away_since = place.away_since or time.monotonic()
            if time.monotonic() - place.away_since > self._patience_seconds:
                raise


@dataclass(slots=True)
class _Place:
    """How far a reader has come; it `is_over` when there is nothing more, be it without an end."""

    after: int
    is_end: bool = False
    is_over: bool = False
    away_since: float | None = None

    def move(self, entries: Sequence[Entry]) -> None:
        if entries:
            self.after = entries[-1].sequence
            self.is_end = entries[-1].type == Ended.type


def _taken_away(after: int) -> Sequence[Entry]:
    """The end of a run of which nothing is left, and which nobody could write down: its user was erased, or its session deleted."""
    return [Entry(after + 1, Ended.type, encode(Ended(status=RunStatus.CANCELLED, message_id="")))]


async def _within(seconds: float, news: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
    return news.is_set()
