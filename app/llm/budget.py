"""How long a call may take, and all calls of a run together."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from app.errors import CostLimitReached, ModelTimeout

CALL_IS_OVER: Final = "The model took longer than an answer may take."
TURN_IS_OVER: Final = "The models took longer than they may for one message."


class TurnBudget:
    """The time that models may take for one run; it passes only while one is being asked, or waited for."""

    def __init__(self, seconds: float) -> None:
        self._left_seconds = seconds
        self._asking = 0
        self._since = 0.0

    @property
    def left_seconds(self) -> float:
        return self._left_seconds - (time.monotonic() - self._since if self._asking else 0)

    @contextmanager
    def passing(self) -> Generator[None]:
        """Calls at the same time share the seconds that pass."""
        if not self._asking:
            self._since = time.monotonic()
        self._asking += 1
        try:
            yield
        finally:
            if self._asking == 1:
                self._left_seconds = self.left_seconds
            self._asking -= 1


class MoneyBudget:
    """What models may cost for one run, in dollars, None for any amount; calls whose price is not known are free here."""

    def __init__(self, most_usd: float | None) -> None:
        self._most_usd = most_usd
        self._spent_usd = 0.0

    def spend(self, usd: float | None) -> None:
        self._spent_usd += usd or 0

    def check(self) -> None:
        """Raise CostLimitReached before a call once all is spent; the call that goes beyond it is let finish."""
        if self._most_usd is not None and self._spent_usd >= self._most_usd:
            raise CostLimitReached


@asynccontextmanager
async def within(seconds: float, detail: str) -> AsyncGenerator[None]:
    """Raise ModelTimeout when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise ModelTimeout(detail) from error
