"""Who waits for news of which run, whichever process makes it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID


class Bulletin:
    def __init__(self) -> None:
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def subscribed(self, run_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is news of the run."""
        event = asyncio.Event()
        self._waiting[run_id].add(event)
        try:
            yield event
        finally:
            self._waiting[run_id].discard(event)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    def tell(self, run_ids: str) -> None:
        """Wake who waits for these runs: ids with commas between."""
        for run_id in run_ids.split(","):
            for event in self._waiting.get(UUID(run_id), ()):
                event.set()

    def tell_all(self) -> None:
        """Wake everybody, for some notices may have been missed."""
        for events in self._waiting.values():
            for event in events:
                event.set()
