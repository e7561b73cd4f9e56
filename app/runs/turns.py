"""Whose turn it is in a session: one message is answered at a time, and a message that is sent twice is answered once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from app.errors import IdempotencyKeyReused, SessionBusy, SessionNotFound
from app.persistence.values import NewRun, Run
from app.runs.tail import Tails

_RETRY_SECONDS: Final = 1
_STOP_SECONDS: Final = 5
# More than one, for the run that holds the turn may end between the questions, or be made to.
_CLAIMS: Final = 3


class OnBusy(StrEnum):
    """What a message does that finds its session answering another."""

    REJECT = "reject"
    INTERRUPT = "interrupt"


class TurnStore(Protocol):
    async def claim(self, run: NewRun) -> bool: ...
    async def sent_before(self, user_id: UUID, key: str) -> Run | None: ...
    async def live_run(self, session_id: UUID) -> UUID | None: ...


class Turns:
    def __init__(self, store: TurnStore, stop: Callable[[UUID], Awaitable[None]], tails: Tails) -> None:
        self._store = store
        self._stop = stop
        self._tails = tails

    async def take(self, new: NewRun, on_busy: OnBusy) -> Run | None:
        """Take the turn for the new run; return the run that the same request started before, if one did.

        Raise SessionNotFound, IdempotencyKeyReused, or SessionBusy with `active_run_id`.
        """
        active = None
        for _ in range(_CLAIMS):
            if await self._store.claim(new):
                return None
            if new.idempotency_key and (before := await self._store.sent_before(new.user_id, new.idempotency_key)):
                return _same(before, new)
            if now_active := await self._store.live_run(new.session_id):
                active = now_active
                await self._make_way(active, on_busy)
        raise _busy(active) if active else SessionNotFound

    async def _make_way(self, active: UUID, on_busy: OnBusy) -> None:
        if on_busy is OnBusy.INTERRUPT:
            await self._stop(active)
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    return await self._tails.until_end(active)
        raise _busy(active)


def _busy(active: UUID) -> SessionBusy:
    return SessionBusy(active_run_id=str(active), retry_after=_RETRY_SECONDS)


def _same(before: Run, new: NewRun) -> Run:
    if before.body_hash != new.body_hash:
        raise IdempotencyKeyReused
    return before
