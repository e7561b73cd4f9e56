"""Recall on the way to an answer: an embedding and a search, in the time that the settings allow, or nothing."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

import structlog

from app import signals
from app.errors import AppError, ModelTimeout
from app.llm.breaker import Breaker
from app.llm.embedding import Embedder
from app.settings import MemorySettings

_MILLISECONDS: Final = 1_000
# Long enough for an answer that is asked for again, or by another attempt.
_KEPT_SECONDS: Final = 30
_MOST_KEPT: Final = 500
# An embedder that is down would cost every turn the time that recall may take.
_FAILURES_IN_A_ROW: Final = 5
_LEFT_ALONE_SECONDS: Final = 10

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
        self._working: set[asyncio.Task[Any]] = set()
        self._breaker = Breaker(embedder.name, failures=_FAILURES_IN_A_ROW, seconds=_LEFT_ALONE_SECONDS)
        self._is_out = False
        self.failures = 0

    async def recall(self, user_id: str, query: str) -> Sequence[str]:
        """Raise nothing: a turn does not fail for want of its memories."""
        started = time.perf_counter()
        if not self._breaker.admits:
            self._failed("left_alone")
            signals.recalled("left_alone", 0)
            return ()
        try:
            found = await self._recalled(user_id, query)
        except (AppError, TimeoutError) as error:
            self._failed(error.code if isinstance(error, AppError) else "too_slow")
            signals.recalled("timeout" if isinstance(error, TimeoutError | ModelTimeout) else "failed", time.perf_counter() - started)
            return ()
        self._succeeded()
        signals.recalled("found" if found else "nothing", time.perf_counter() - started)
        return found

    async def _recalled(self, user_id: str, query: str) -> Sequence[str]:
        ends_at = time.monotonic() + self._settings.recall_ms / _MILLISECONDS
        with self._breaker.watching():
            vector = await self._embedded(user_id, query, ends_at)
        if not any(vector):  # there is nothing in the message that could be like anything
            return ()
        search = self._store.search(UUID(user_id), vector, limit=self._settings.top_k, threshold=self._threshold)
        return await self._until(ends_at, search)

    async def _embedded(self, user_id: str, query: str, ends_at: float) -> Sequence[float]:
        """Raise ModelError, for the breaker to learn from; that a search is slow is no fault of the embedder's."""
        try:
            return await self._until(ends_at, self._vector(user_id, query))
        except TimeoutError as error:
            raise ModelTimeout("The embedder is too slow to recall with.") from error

    async def _until[T](self, ends_at: float, work: Coroutine[Any, Any, T]) -> T:
        # A search that is cancelled may yet wait for a database that hangs; the turn does not wait for the search.
        working = asyncio.create_task(work, name="recall")
        self._working.add(working)
        working.add_done_callback(self._over)
        try:
            await asyncio.wait([working], timeout=ends_at - time.monotonic())
            if not working.done():
                raise TimeoutError
            return working.result()
        finally:
            working.cancel()

    def _over(self, working: asyncio.Task[Any]) -> None:
        self._working.discard(working)
        if not working.cancelled():
            working.exception()  # of one that was given up nobody asks it, and asyncio would log it with all its words

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
