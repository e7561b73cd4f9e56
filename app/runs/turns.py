"""Whose turn it is in a session: one message is answered at a time, and a message that is sent twice is answered once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol
from uuid import UUID

from app.errors import IdempotencyKeyReused, SessionBusy, SessionNotFound
from app.persistence.quota_values import OverLimit
from app.persistence.turn_values import WaitingRun
from app.persistence.values import Claim, NewRun, Resumption, Run
from app.runs.asking import OnBusy
from app.runs.tail import Tails

_RETRY_SECONDS: Final = 1
_STOP_SECONDS: Final = 5
# More than one, for the run that holds the turn may end between the questions, or be made to.
_CLAIMS: Final = 3


class TurnStore(Protocol):
    async def claim(self, run: NewRun) -> Claim | None: ...
    async def claim_resumption(self, run: Resumption) -> Claim | None: ...
    async def sent_before(self, user_id: UUID, key: str) -> Run | None: ...
    async def live_run(self, session_id: UUID) -> UUID | None: ...
    async def waiting(self, session_id: UUID) -> Sequence[WaitingRun]: ...
    async def in_the_way(self, session_id: UUID) -> Sequence[UUID]: ...
    async def promote(self, session_id: UUID | None = None) -> None: ...
    async def undo(self, run_id: UUID) -> None: ...


class Turns:
    def __init__(self, store: TurnStore, stop: Callable[[UUID], Awaitable[None]], tails: Tails) -> None:
        self._store = store
        self._stop = stop
        self._tails = tails

    async def take(self, new: NewRun, on_busy: OnBusy) -> Claim | Run:
        """Take the turn for the new run, or a place behind it; the run that the same request started before, if one did.

        Raise SessionNotFound, IdempotencyKeyReused, OverLimit, or SessionBusy with `active_run_id`.
        """
        active = None
        for _ in range(_CLAIMS):
            if claim := await self._claim(new):
                return claim
            if before := await self.sent_before(new):
                return before
            if now_active := await self._store.live_run(new.session_id):
                active = now_active
                await self._make_way(new.session_id, active, on_busy)
        raise busy(active) if active else SessionNotFound

    async def sent_before(self, new: NewRun | Resumption) -> Run | None:
        """Raise IdempotencyKeyReused when the request's key came with another one."""
        before = await self._store.sent_before(new.user_id, new.idempotency_key) if new.idempotency_key else None
        if before and before.body_hash != new.body_hash:
            raise IdempotencyKeyReused
        return before

    async def _claim(self, new: NewRun) -> Claim | Run | None:
        try:
            claim = await self._store.claim(new)
        except OverLimit:
            if before := await self.sent_before(new):
                return before
            raise
        if claim and claim.queued:
            # The run before it may have ended while this one took its place, and have seen nobody waiting.
            await self._store.promote(new.session_id)
        return claim

    async def _make_way(self, session_id: UUID, active: UUID, on_busy: OnBusy) -> None:
        if on_busy is OnBusy.REJECT:
            raise busy(active)
        if on_busy is OnBusy.ENQUEUE:
            return  # it has got its turn this very moment: wait behind it
        # What waits first, or it would have the turn as soon as that is free.
        for run_id in await self._store.in_the_way(session_id):
            await self._stop(run_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._tails.until_end(active)
                if on_busy is OnBusy.ROLLBACK:
                    await self._store.undo(active)
                return
        raise busy(active)


def busy(active: UUID) -> SessionBusy:
    return SessionBusy(active_run_id=str(active), retry_after=_RETRY_SECONDS)
