"""Requests counted by user: a bucket for each that refills at the rate of its tier, in Redis for all servers, else in this process.

throttled-py's GCRA: the token bucket as one number, to the microsecond. Its own bucket counts in whole seconds.
"""

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Final, cast
from uuid import UUID

from throttled.asyncio import (
    BaseAtomicAction,
    MemoryStore,
    Quota,
    Rate,
    RateLimiterRegistry,
    RateLimiterType,
    RateLimitState,
    RedisStore,
    RedisStoreBackend,
)
from throttled.asyncio.rate_limiter import BaseRateLimiter

from app.errors import LimitsUnavailable
from app.persistence.redis_scripts import RedisAway, RedisScripts
from app.settings import Tier

_PREFIX: Final = "milepost:user"
# Those who were here last; an older one's bucket would be full again, or nearly.
_MOST_USERS: Final = 100_000
_FINEST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a request found: whether there was something `left` for it, and after how many seconds there will be, or all is again."""

    is_over: bool
    left: int
    retry_seconds: float
    full_seconds: float


class Buckets:
    def __init__(self, scripts: RedisScripts | None = None, *, fails_closed: bool = False) -> None:
        self._fails_closed = fails_closed
        self._shared = _ScriptStore(scripts) if scripts else None
        self._here = MemoryStore(options={"MAX_SIZE": _MOST_USERS})
        self._limiters: dict[tuple[str, bool], BaseRateLimiter] = {}

    async def draw(self, user_id: UUID, tier: Tier) -> Drawn:
        """Take one out; raise LimitsUnavailable.

        While Redis is away each process has buckets of its own, so that a user may have more, and never less, unless it `fails_closed`.
        """
        if self._shared:
            try:
                return await self._draw(user_id, tier, shared=True)
            except RedisAway:
                if self._fails_closed:
                    raise LimitsUnavailable from None
        return await self._draw(user_id, tier, shared=False)

    async def _draw(self, user_id: UUID, tier: Tier, *, shared: bool) -> Drawn:
        result = await self._limiter(tier, shared=shared).limit(str(user_id))
        state: RateLimitState = result.state
        return Drawn(result.limited, state.remaining, state.retry_after, state.reset_after)

    def _limiter(self, tier: Tier, *, shared: bool) -> BaseRateLimiter:
        if found := self._limiters.get((tier.name, shared)):
            return found
        store = self._shared if self._shared and shared else self._here
        kind = RateLimiterRegistry.get(RateLimiterType.GCRA.value)
        self._limiters[tier.name, shared] = limiter = kind(_quota(tier), store, key_prefix=f"{_PREFIX}:{tier.name}")
        return limiter


def _quota(tier: Tier) -> Quota:
    """The library knows whole requests in whole seconds."""
    rate = Fraction(tier.requests_per_second).limit_denominator(_FINEST)
    return Quota(Rate(period=timedelta(seconds=rate.denominator), limit=rate.numerator), burst=tier.burst)


class _Lines(RedisStoreBackend):
    """Stands where the library has its client, and hands its scripts to ours."""

    def __init__(self, scripts: RedisScripts) -> None:
        super().__init__()
        self._scripts = scripts

    def get_client(self) -> "RedisScripts":  # type: ignore[override]  # of a client its scripts are all that is used
        return self._scripts


class _ScriptStore(RedisStore):
    def __init__(self, scripts: RedisScripts) -> None:
        super().__init__()
        self._lines = _Lines(scripts)

    def make_atomic(self, action_cls: type[BaseAtomicAction]) -> BaseAtomicAction:
        return action_cls(backend=cast("RedisStoreBackend", self._lines))
