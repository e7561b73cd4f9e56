"""Answers of models kept in Redis, for the response cache of all servers. Redis may be slow, silent or gone: nobody waits for it.

What is kept is what users were told, as plain text, for as long as the settings say.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Final, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import Unavailable
from app.persistence.redis_client import redis_client
from app.settings import RedisSettings

BLINK_SECONDS: Final = 0.2
PAUSE_SECONDS: Final = 3

_WRITE_SECONDS: Final = 1
_MOST_UNWRITTEN: Final = 50
_PREFIX: Final = "milepost:answer:"
_ERASED: Final = "milepost:erased:"
# Longer than any run or job that may yet come with an answer.
_ERASED_SECONDS: Final = 86_400
_KEYS_AT_ONCE: Final = 1_000
# In one step, so that no answer comes between the look and the erasure.
_KEEP: Final = "if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end"

log = structlog.get_logger()


class RedisAnswers:
    """Finds within a blink or not at all, and writes in the background; after a failure Redis is left alone for a pause."""

    def __init__(self, client: Redis, seconds: int) -> None:
        self._client = client
        self._seconds = seconds
        self._unwritten: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self._is_well = True
        self._ask_again_at = 0.0

    async def find(self, key: str) -> bytes | None:
        if answer := self._unwritten.get(key):
            return answer
        if self._is_left_alone():
            return None
        try:
            # Around all of it: a connection that is opened first says several things, and each may take its own time.
            async with asyncio.timeout(BLINK_SECONDS):
                found = cast("bytes | None", await self._client.get(_PREFIX + key))
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        self._is_well = True
        return found

    def keep(self, key: str, answer: bytes) -> None:
        """Have it written soon, unless Redis is away or too much waits."""
        if len(self._unwritten) < _MOST_UNWRITTEN and not self._is_left_alone():
            self._unwritten[key] = answer
            self._news.set()

    def drop(self, owner: str | None) -> None:
        """What is in Redis goes by `forget`, and what is not written yet is not written any more."""
        for key in [key for key in self._unwritten if owner is None or key.startswith(f"{owner}:")]:
            del self._unwritten[key]

    async def forget(self, owner: str) -> int:
        """Delete all answers of an owner, and have none kept that is still on its way; how many there were.

        Raise Unavailable when Redis does not answer: then some may be there.
        """
        found = 0
        try:
            await self._client.set(_ERASED + owner, 1, ex=_ERASED_SECONDS)
            async for key in self._client.scan_iter(match=f"{_PREFIX}{owner}:*", count=_KEYS_AT_ONCE):
                found += await self._client.delete(key)
        except (RedisError, OSError) as error:
            raise Unavailable("Redis is not answering, so its answers cannot be erased.") from error
        return found

    async def keep_writing(self) -> None:
        """Write until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._write_all()

    async def _write_all(self) -> None:
        while self._unwritten:
            key, answer = next(iter(self._unwritten.items()))
            try:
                async with asyncio.timeout(_WRITE_SECONDS):
                    await self._write(key, answer)
            except (RedisError, OSError) as error:
                self._failed(error)
                self._unwritten.clear()  # they would outlive their time here
            else:
                self._is_well = True
                self._unwritten.pop(key, None)

    async def _write(self, key: str, answer: bytes) -> None:
        owner = key.partition(":")[0]
        await cast("Awaitable[object]", self._client.eval(_KEEP, 2, _PREFIX + key, _ERASED + owner, answer, self._seconds))

    def _is_left_alone(self) -> bool:
        """Whether it failed a moment ago; who asks after that is the one who finds out, and others need not wait with them."""
        if self._is_well:
            return False
        if time.monotonic() < self._ask_again_at:
            return True
        self._ask_again_at = time.monotonic() + PAUSE_SECONDS
        return False

    def _failed(self, error: Exception) -> None:
        # The kind only: the words may name the address.
        if self._is_well:
            log.warning("response_cache_away", error=type(error).__name__)
        self._is_well = False
        self._ask_again_at = time.monotonic() + PAUSE_SECONDS


@asynccontextmanager
async def open_redis_answers(settings: RedisSettings, seconds: int) -> AsyncGenerator[RedisAnswers]:
    """One that does not answer is as good as any that comes back. Raise SettingsInvalid for no address at all."""
    async with redis_client(settings.url.get_secret_value(), answer_seconds=_WRITE_SECONDS) as client:
        answers = RedisAnswers(client, seconds)
        writing = asyncio.create_task(answers.keep_writing(), name="redis-answers")
        try:
            yield answers
        finally:
            writing.cancel()
            await asyncio.wait([writing])
