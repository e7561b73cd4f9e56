"""The ordered events of one attempt at a run in its own process, and the tails that read them as they come."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import UUID

from app.persistence.values import Entry, EventBatch
from app.runs.events import Located, Reset, RunEvent, Started, encode

# An attempt counts from its own million: what a dead process told its readers but never wrote cannot share a number with what comes after.
_NUMBERS_PER_ATTEMPT: Final = 1_000_000
_BEGINNINGS: Final = (Started.type, Reset.type)


class RunLog:
    """Appending wakes every tail; a slow tail holds nothing but its place, so it neither slows the run nor costs memory."""

    def __init__(self, run_id: UUID, attempt: int, appended: "Callable[[RunLog], None]") -> None:
        """`appended` is called after each event, to have it written."""
        self.run_id = run_id
        self.attempt = attempt
        self._before = (attempt - 1) * _NUMBERS_PER_ATTEMPT
        self._entries: list[Entry] = []
        self._written = 0
        self._appended = appended
        self._news = asyncio.Event()
        self._closed = False

    @property
    def last(self) -> int:
        return self._before + len(self._entries)

    def append(self, event: RunEvent | Located) -> None:
        self._entries.append(Entry(self.last + 1, event.type, encode(event)))
        self._appended(self)
        self._news.set()

    def tell_again(self, reset: Reset, mark: int) -> None:
        """Have readers throw away what they have, and tell them once more what they had before the number `mark`."""
        before = self._entries[: mark - self._before]
        begun = max((place for place, entry in enumerate(before, start=1) if entry.type in _BEGINNINGS), default=0)
        self.append(reset)
        self._entries += [replace(entry, sequence=number) for number, entry in enumerate(before[begun:], start=self.last + 1)]
        self._appended(self)

    def following(self, events: Sequence[RunEvent]) -> EventBatch:
        """What is not written yet, and these events after it, which no tail sees before they are published."""
        more = [Entry(number, event.type, encode(event)) for number, event in enumerate(events, start=self.last + 1)]
        return EventBatch(run_id=self.run_id, attempt=self.attempt, entries=[*self._entries[self._written :], *more])

    def written(self, batch: EventBatch) -> None:
        self._written += len(batch.entries)

    def publish(self, batch: EventBatch) -> None:
        """Show the tails the end of the log, which is in the database now."""
        self._entries += [entry for entry in batch.entries if entry.sequence > self.last]
        self.close()

    def close(self) -> None:
        """Say that nothing will follow here: tails end once they have read what is there."""
        self._closed = True
        self._news.set()

    async def tail(self, *, after: int, silence_seconds: float) -> AsyncGenerator[Sequence[Entry]]:
        """Yield what follows the sequence number `after`, in batches; an empty batch for every silence of that length."""
        place = max(after - self._before, 0)
        while not self._closed or place < len(self._entries):
            await self._wait(place, silence_seconds)
            batch = self._entries[place:]
            place += len(batch)
            if batch or not self._closed:
                yield batch

    async def _wait(self, place: int, seconds: float) -> None:
        """Until there is something at the place, nothing will follow, or so much time has passed."""
        if place < len(self._entries):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while place >= len(self._entries) and not self._closed:
                    # Cleared just before the wait, with no await between: a wake-up meant for another tail is never lost.
                    self._news.clear()
                    await self._news.wait()
