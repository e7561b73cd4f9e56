"""Tell users' own servers that runs have ended: at least once each, signed, later and later while they do not take it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, Protocol
from uuid import UUID

import orjson
import structlog

from app import signals
from app.internet.posting import PostFailed
from app.persistence.webhook_values import BegunDelivery, Outcome
from app.runs.signing import Secrets, signed_headers
from app.settings import WebhookSettings

# Of one user at once, so that a slow server of theirs keeps nobody else waiting.
_MOST_OF_USER: Final = 2
# From when a try ought to be over until it counts as lost, and another process may make it.
_SPARE_SECONDS: Final = 5
_BUSY_SECONDS: Final = 2.0
_UNEVEN: Final = 0.2
_FORGOTTEN_AT_ONCE: Final = 10_000

log = structlog.get_logger()


class DeliveryStore(Protocol):
    async def announce(self, run_id: UUID) -> None: ...
    async def begin(self, delivery_id: UUID, *, busy: Sequence[UUID], seconds: float) -> BegunDelivery | None: ...
    async def record(self, begun: BegunDelivery, outcome: Outcome, off_days: int) -> bool: ...
    async def put_off(self, delivery_id: UUID, seconds: float) -> None: ...
    async def requeue(self) -> int: ...
    async def forget(self, days: int, limit: int) -> int: ...


class Post(Protocol):
    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Return the status; raise PostFailed."""
        ...


class Delivering:
    def __init__(self, store: DeliveryStore, poster: Post, secrets: Secrets, settings: WebhookSettings) -> None:
        self._store = store
        self._poster = poster
        self._secrets = secrets
        self._settings = settings
        self._under_way = 0
        self._of_users: Counter[UUID] = Counter()
        self._beginning = asyncio.Lock()

    async def announce(self, run_id: UUID) -> None:
        """Have a run's end delivered to whoever wants to know of it."""
        await self._store.announce(run_id)

    async def deliver(self, delivery_id: UUID) -> None:
        """Try it once; nothing happens to one that is over, or that another process tries."""
        with self._room() as has_room:
            begun = await self._begin(delivery_id) if has_room else None
            if begun is None:  # where it is due all the same, it was this process that had no room
                await self._store.put_off(delivery_id, _unevenly(_BUSY_SECONDS))
                return
            try:
                outcome = await self._tried(begun)
            finally:
                self._of_users -= Counter([begun.user_id])
            await self._record(begun, outcome)

    async def requeue(self) -> None:
        if found := await self._store.requeue():
            log.warning("deliveries_requeued", deliveries=found)

    async def forget(self) -> None:
        if self._settings.log_days and (found := await self._store.forget(self._settings.log_days, _FORGOTTEN_AT_ONCE)):
            log.info("deliveries_forgotten", deliveries=found)

    @contextmanager
    def _room(self) -> Generator[bool]:
        """Waiting for it here would take a place among the jobs from what users wait for."""
        has_room = self._under_way < self._settings.concurrency
        self._under_way += has_room
        try:
            yield has_room
        finally:
            self._under_way -= has_room

    async def _begin(self, delivery_id: UUID) -> BegunDelivery | None:
        # One after the other: those of one user that come at the same moment would each find nobody busy.
        async with self._beginning:
            busy = [user for user, count in self._of_users.items() if count >= _MOST_OF_USER]
            begun = await self._store.begin(delivery_id, busy=busy, seconds=self._settings.seconds + _SPARE_SECONDS)
            if begun:
                self._of_users[begun.user_id] += 1
            return begun

    async def _tried(self, begun: BegunDelivery) -> Outcome:
        if not begun.is_on:
            return Outcome(ok=False, http_status=None, ms=0, error="webhook_off")
        secrets = [secret for seed in begun.seeds if (secret := self._secrets.secret(seed))]
        if not secrets:
            return self._judged(begun, None, 0, "secret_lost")
        started, body = time.perf_counter(), document(begun)
        status, error = None, None
        try:
            status = await self._poster.post(begun.url, body, signed_headers(secrets, str(begun.id), int(time.time()), body))
        except PostFailed as failed:
            error = failed.code
        ms = round((time.perf_counter() - started) * 1_000)
        return self._judged(begun, status, ms, error)

    def _judged(self, begun: BegunDelivery, status: int | None, ms: int, error: str | None) -> Outcome:
        if status is not None and HTTPStatus(HTTPStatus.OK) <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Outcome(ok=True, http_status=status, ms=ms, error=None)
        is_redirect = status is not None and HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
        is_gone = status == HTTPStatus.GONE
        pauses = self._settings.pauses
        again = _unevenly(pauses[begun.failures]) if begun.failures < len(pauses) and not is_gone else None
        error = error or ("redirected" if is_redirect else "refused")
        return Outcome(ok=False, http_status=status, ms=ms, error=error, again_seconds=again, is_gone=is_gone)

    async def _record(self, begun: BegunDelivery, outcome: Outcome) -> None:
        about = {"delivery_id": str(begun.id), "webhook_id": str(begun.webhook_id), "attempt": begun.attempt}
        if not outcome.ok:
            log.info("delivery_failed", error=outcome.error, http_status=outcome.http_status, ms=outcome.ms, **about)
        switched_off = await self._store.record(begun, outcome, self._settings.off_days)
        signals.webhook_delivered("ok" if outcome.ok else "given_up" if outcome.again_seconds is None else "failed")
        if switched_off:
            signals.webhook_switched_off()
            log.warning("webhook_switched_off", webhook_id=str(begun.webhook_id))


def document(begun: BegunDelivery) -> bytes:
    """What is told, the same at each try."""
    told = {"id": begun.id, "event": begun.event, "created_at": begun.created_at, "run": begun.run}
    if begun.said is not None:
        told["messages"] = begun.said
    return orjson.dumps(told, option=orjson.OPT_UTC_Z)


def _unevenly(seconds: float) -> float:
    """A little more or less, so that what failed together is not tried together."""
    return seconds * random.uniform(1 - _UNEVEN, 1 + _UNEVEN)  # noqa: S311  # no secret
