"""The ordered events of one run, and the tails that read them as they come."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from app.runs.events import Entry, RunEvent, encode


class RunLog:
    """Appending wakes every tail; a slow tail holds nothing but its place, so it neither slows the run nor costs memory."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._news = asyncio.Event()
        self._closed = False

    def append(self, event: RunEvent) -> None:
        self._entries.append(Entry(len(self._entries) + 1, event.type, encode(event)))
        self._news.set()

    def close(self) -> None:
        """Say that nothing will follow: tails end once they have read what is there."""
        self._closed = True
        self._news.set()

    async def tail(self, *, after: int = 0, silence_seconds: float) -> AsyncGenerator[Sequence[Entry]]:
        """Yield what follows the sequence number `after`, in batches; an empty batch for every silence of that length."""
        while not self._closed or after < len(self._entries):
            if after >= len(self._entries):
                await self._wait(silence_seconds)
            batch = self._entries[after:]
            after += len(batch)
            if batch or not self._closed:
                yield batch

    async def _wait(self, seconds: float) -> None:
        # Cleared just before the wait, with no await between: a wake-up meant for another tail is never lost.
        self._news.clear()
        alarm = asyncio.get_running_loop().call_later(seconds, self._news.set)
        try:
            await self._news.wait()
        finally:
            alarm.cancel()
