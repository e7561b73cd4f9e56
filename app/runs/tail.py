"""Reading a run, from any place in it and in any process: from memory where it is made, from the database elsewhere."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Final, Protocol
from uuid import UUID

from app.errors import EventsExpired
from app.persistence.values import Entry, Run
from app.runs.attempts import Attempts
from app.runs.bulletin import Bulletin
from app.runs.events import Ended
from app.runs.walk import FIRST_ATTEMPT

_LOOK_SECONDS: Final = 1


class EventReader(Protocol):
    async def read(self, run_id: UUID, after: int) -> Sequence[Entry]: ...
    async def has_ended(self, run_id: UUID) -> bool: ...
    async def is_kept(self, run_id: UUID) -> bool: ...


class Tails:
    def __init__(self, attempts: Attempts, events: EventReader, bulletin: Bulletin) -> None:
        self._attempts = attempts
        self._events = events
        self._bulletin = bulletin

    async def read(self, run_id: UUID, *, after: int = 0, silence_seconds: float) -> AsyncGenerator[Sequence[Entry]]:
        """Yield what follows the sequence number `after` up to the run's end, in batches; an empty one for each silence.

        Closing it changes nothing for the run.
        """
        live = self._attempts.find(run_id)
        # A later attempt's log begins in the middle: its readers need what the database has from before.
        if live and live.log.attempt == FIRST_ATTEMPT:
            async with aclosing(live.log.tail(after=after, silence_seconds=silence_seconds)) as entries_of_log:
                async for entries in entries_of_log:
                    yield entries
                    after = entries[-1].sequence if entries else after
                    if _is_end(entries):
                        return
        async with aclosing(self._stored(run_id, after, silence_seconds)) as stored:
            async for entries in stored:
                yield entries

    async def check(self, run: Run) -> None:
        """Raise EventsExpired when the run ended so long ago that it can no longer be read."""
        if run.finished_at and not await self._events.is_kept(run.id):
            raise EventsExpired

    async def until_end(self, run_id: UUID) -> None:
        """Wait until the run has ended, in whichever process."""
        async for _ in self.read(run_id, silence_seconds=_LOOK_SECONDS):
            pass

    async def _stored(self, run_id: UUID, after: int, silence_seconds: float) -> AsyncGenerator[Sequence[Entry]]:
        with self._bulletin.subscribed(run_id) as news:
            while True:
                news.clear()
                # Asked first: of a run that has ended, all there will ever be is there to read.
                ended = await self._events.has_ended(run_id)
                while entries := await self._events.read(run_id, after):
                    yield entries
                    if _is_end(entries):
                        return
                    after = entries[-1].sequence
                if ended:
                    return
                if not await _within(silence_seconds, news):
                    yield ()


def _is_end(entries: Sequence[Entry]) -> bool:
    return bool(entries) and entries[-1].type == Ended.type


async def _within(seconds: float, news: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
    return news.is_set()
