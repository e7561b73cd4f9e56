"""The account of what models were asked: for users to read, and for jobs outside runs to keep."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Protocol
from uuid import UUID

import structlog

from app.errors import AppError
from app.llm.asking import Accountant
from app.llm.calls import Hearer, ModelCall
from app.persistence.spending import DaySpent, LedgerCall, Spent

log = structlog.get_logger()


class CallStore(Protocol):
    async def add(self, user_id: UUID, session_id: UUID | None, calls: Sequence[LedgerCall], *, charged: bool = True) -> None: ...
    async def spent(self, user_id: UUID, first: date, last: date) -> tuple[Sequence[DaySpent], Spent]: ...


class Ledger:
    def __init__(self, store: CallStore) -> None:
        self._store = store

    @asynccontextmanager
    async def hearing(self, user_id: UUID, session_id: UUID | None, *, charged: bool = True) -> AsyncGenerator[Hearer]:
        """A hearer for the Asker of one job; its calls are written when the job ends, however it ends.

        A run needs none: its calls are written with its end. What is not `charged` is no part of the user's quota.
        """
        calls: list[ModelCall] = []
        try:
            yield Accountant(calls.append)
        finally:
            if calls:
                await self._keep(user_id, session_id, calls, charged)

    async def spent(self, user_id: UUID, first: date, last: date) -> tuple[Sequence[DaySpent], Spent]:
        """What the user's calls came to from the first day to the last (UTC): by day and model, and in all."""
        return await self._store.spent(user_id, first, last)

    async def _keep(self, user_id: UUID, session_id: UUID | None, calls: Sequence[ModelCall], charged: bool) -> None:
        """Best effort: a job that failed for its account would be done, and paid, again."""
        try:
            await self._store.add(user_id, session_id, [*map(ledger_call, calls)], charged=charged)
        except AppError as error:
            log.error("calls_not_kept", calls=len(calls), error=error.code)  # noqa: TRY400  # the frames are the database's


def ledger_call(call: ModelCall) -> LedgerCall:
    return LedgerCall(
        id=call.id,
        model=call.model,
        purpose=call.purpose,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cached_tokens=call.cached_tokens,
        reasoning_tokens=call.reasoning_tokens,
        cost_usd=call.cost_usd,
        latency_ms=call.latency_ms,
        first_token_ms=call.first_token_ms,
        from_cache=call.from_cache,
        error_code=call.error_code,
        created_at=call.started_at,
    )
