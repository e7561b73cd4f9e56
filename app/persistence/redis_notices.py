"""What processes tell each other through Redis, if there is one: which runs have new events. Postgres keeps the other notices.

A notice is a hint. Its loss costs a reader the time to its next look into the database, and no run ever waits for Redis.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import batched
from typing import Any, Final
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimedOut

from app.persistence.channels import EVENTS
from app.persistence.redis_client import redis_client
from app.settings import RedisSettings

IDS_PER_NOTICE: Final = 200
ANSWER_SECONDS: Final = 1
SILENCE_SECONDS: Final = 3

_RETRY_SECONDS: Final = 1
_LAST_NOTICES_SECONDS: Final = 2

log = structlog.get_logger()


class RedisNotices:
    """Tells and hears on connections of its own, and opens others when those break."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._untold: set[UUID] = set()
        self._news = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._is_telling = True
        self._is_hearing: bool | None = None  # as long as nobody knows

    @property
    def is_well(self) -> bool:
        """Whether notices come and go, as far as is known without asking."""
        return self._is_telling and self._is_hearing is True

    def tell(self, run_ids: Iterable[UUID]) -> None:
        """Have others know soon that these runs have new events, or have ended."""
        self._untold.update(run_ids)
        if self._untold:
            self._news.set()

    async def keep_telling(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._news.wait()
            if not await self._tell_all():
                await asyncio.sleep(_RETRY_SECONDS)

    async def tell_the_rest(self) -> None:
        """Tell what is not told yet, if Redis takes it soon; for a process that ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_NOTICES_SECONDS):
                await self._tell_all()

    async def listen(self, heard: Callable[[str], None], deaf: Callable[[], None]) -> None:
        """Listen until cancelled: call `heard` with ids, commas between, and `deaf()` when some may have been missed."""
        while True:
            try:
                async with self._client.pubsub() as ear:
                    await ear.subscribe(EVENTS)
                    while True:
                        self._take(await _next(ear), heard, deaf)
            except (RedisError, OSError) as error:
                if self._is_hearing is not False:
                    log.warning("redis_listener_lost", error=type(error).__name__)
                self._is_hearing = False
            await asyncio.sleep(_RETRY_SECONDS)

    async def _tell_all(self) -> bool:
        """Of what could not be told, one notice's worth is kept, to find out when Redis is back: readers look by themselves meanwhile."""
        async with self._one_at_a_time:
            self._news.clear()
            untold, self._untold = self._untold, set()
            for some in batched(untold, IDS_PER_NOTICE, strict=False):
                try:
                    await self._client.publish(EVENTS, ",".join(map(str, some)))
                except (RedisError, OSError) as error:
                    self._not_told(some, error)
                    return False
            self._is_telling = True
            return True

    def _not_told(self, run_ids: Iterable[UUID], error: Exception) -> None:
        # The kind only: the words may name the address.
        if self._is_telling:
            log.warning("redis_notice_not_told", error=type(error).__name__)
        self._is_telling = False
        self.tell(run_ids)

    def _take(self, notice: dict[str, Any], heard: Callable[[str], None], deaf: Callable[[], None]) -> None:
        match notice["type"]:
            case "subscribe":
                self._is_hearing = True
                deaf()
            case "message":
                try:
                    heard(notice["data"].decode())
                except ValueError:
                    log.warning("notice_not_understood", channel=EVENTS)


@asynccontextmanager
async def open_redis_notices(settings: RedisSettings) -> AsyncGenerator[RedisNotices]:
    """One that does not answer is as good as any that comes back. Raise SettingsInvalid for no address at all."""
    async with redis_client(settings.url.get_secret_value(), answer_seconds=ANSWER_SECONDS) as client:
        notices = RedisNotices(client)
        telling = asyncio.create_task(notices.keep_telling(), name="redis-notices")
        try:
            yield notices
        finally:
            await notices.tell_the_rest()
            telling.cancel()
            await asyncio.wait([telling])


async def _next(ear: PubSub) -> dict[str, Any]:
    """What comes next. After a silence the connection is asked whether it still is one: nobody tells when the other side is gone."""
    notice: dict[str, Any] | None = await ear.get_message(timeout=SILENCE_SECONDS)
    if notice is None:
        await ear.ping()
        notice = await ear.get_message(timeout=ANSWER_SECONDS)
    if notice is None:
        raise RedisTimedOut
    return notice
