"""Recall on the way to an answer: an embedding and a search, in the time that the settings allow, or nothing."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

import structlog

from app.errors import AppError
from app.llm.embedding import Embedder
from app.settings import MemorySettings

_MILLISECONDS: Final = 1_000
# Long enough for an answer that is asked for again, or by another attempt.
_KEPT_SECONDS: Final = 30
_MOST_KEPT: Final = 500

log = structlog.get_logger()


class Search(Protocol):
    async def search(self, user_id: UUID, vector: Sequence[float], *, limit: int, threshold: float) -> Sequence[str]: ...


class Recall:
    """The agent's Memory. `failures` counts the turns that went on without theirs."""

    def __init__(self, embedder: Embedder, store: Search, settings: MemorySettings, threshold: float) -> None:
        self._embedder = embedder
        self._store = store
        self._settings = settings
        self._threshold = threshold
        # Vectors and not memories: what a user deletes, in whichever process, is not recalled once more.
        self._vectors: OrderedDict[tuple[str, str], tuple[float, Sequence[float]]] = OrderedDict()
        self._searching: set[asyncio.Task[Sequence[str]]] = set()
        self._is_out = False
        self.failures = 0

    async def recall(self, user_id: str, query: str) -> Sequence[str]:
        """Raise nothing: a turn does not fail for want of its memories."""
        try:
            found = await self._in_time(user_id, query)
        except (AppError, TimeoutError) as error:
            self._failed(error.code if isinstance(error, AppError) else "too_slow")
            return ()
        self._succeeded()
        return found

    async def _in_time(self, user_id: str, query: str) -> Sequence[str]:
        # A search that is cancelled may yet wait for a database that hangs; the turn does not wait for the search.
        searching = asyncio.create_task(self._search(user_id, query), name="recall")
        self._searching.add(searching)
        searching.add_done_callback(self._over)
        try:
            await asyncio.wait([searching], timeout=self._settings.recall_ms / _MILLISECONDS)
            if not searching.done():
                raise TimeoutError
            return searching.result()
        finally:
            searching.cancel()

    def _over(self, searching: asyncio.Task[Sequence[str]]) -> None:
        self._searching.discard(searching)
        if not searching.cancelled():
            searching.exception()  # of one that was given up nobody asks it, and asyncio would log it with all its words

    async def _search(self, user_id: str, query: str) -> Sequence[str]:
        vector = await self._vector(user_id, query)
        if not any(vector):  # there is nothing in the message that could be like anything
            return ()
        return await self._store.search(UUID(user_id), vector, limit=self._settings.top_k, threshold=self._threshold)

    async def _vector(self, user_id: str, query: str) -> Sequence[float]:
        kept_at, vector = self._vectors.get((user_id, query), (0.0, ()))
        if vector and time.monotonic() - kept_at < _KEPT_SECONDS:
            return vector
        [vector] = await self._embedder.embed([query])
        self._vectors[user_id, query] = (time.monotonic(), vector)
        self._vectors.move_to_end((user_id, query))
        while len(self._vectors) > _MOST_KEPT or time.monotonic() - next(iter(self._vectors.values()))[0] > _KEPT_SECONDS:
            self._vectors.popitem(last=False)
        return vector

    def forget(self, user_id: str | None) -> None:
        """What this user said, or with None everybody, is kept no longer."""
        for key in [key for key in self._vectors if user_id in (None, key[0])]:
            del self._vectors[key]

    def _failed(self, code: str) -> None:
        self.failures += 1
        if not self._is_out:
            self._is_out = True
            log.warning("recall_failing", error=code)

    def _succeeded(self) -> None:
        if self._is_out:
            self._is_out = False
            log.info("recall_works_again", failures=self.failures)
