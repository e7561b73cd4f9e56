"""What is set aside of somebody's quota for one run: looked at before each call, and more of it asked for when it runs short."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

from app.llm.calls import ModelCall


class More(Protocol):
    async def __call__(self, tokens: int, usd: float) -> None:
        """Set so much more aside; raise QuotaExceeded."""
        ...


class Reservation:
    """The first call is what was set aside for. A later one will be as long as the longest before it, with its answer on top."""

    def __init__(self, *, tokens: int, usd: float, answer_tokens: int, answer_usd: float, more: More) -> None:
        self._left_tokens = tokens
        self._left_usd = usd
        self._answer_tokens = answer_tokens
        self._answer_usd = answer_usd
        self._more = more
        self._longest_tokens = 0
        self._dearest_usd = 0.0
        self._begun = False

    def spend(self, call: ModelCall) -> None:
        """Count a call of this attempt, or one of those before it."""
        tokens, usd = call.input_tokens + call.output_tokens, call.cost_usd or 0.0
        self._begun = True
        self._left_tokens -= tokens
        self._left_usd -= usd
        self._longest_tokens, self._dearest_usd = max(self._longest_tokens, tokens), max(self._dearest_usd, usd)

    @asynccontextmanager
    async def calling(self) -> AsyncGenerator[None]:
        """Room for one call, beside those that are being made; raise QuotaExceeded."""
        tokens = self._longest_tokens + self._answer_tokens if self._begun else 0
        usd = self._dearest_usd + self._answer_usd if self._begun else 0.0
        self._begun = True
        self._left_tokens -= tokens
        self._left_usd -= usd
        try:
            if self._left_tokens < 0 or self._left_usd < 0:
                await self._extend()
            yield
        finally:
            self._left_tokens += tokens
            self._left_usd += usd

    async def _extend(self) -> None:
        # Taken before it is waited for: another call that comes meanwhile asks for its own.
        tokens, usd = max(-self._left_tokens, 0), max(-self._left_usd, 0.0)
        self._left_tokens += tokens
        self._left_usd += usd
        try:
            await self._more(tokens, usd)
        except BaseException:
            self._left_tokens -= tokens
            self._left_usd -= usd
            raise
