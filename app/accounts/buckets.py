"""Requests counted by user: a bucket for each that refills at the rate of its tier, in Redis for all servers, else in this process.

The generic cell rate algorithm (ITU-T I.371): of a bucket only the moment is kept at which it will be full again. A request puts that off
by what it takes to refill one, and finds nothing where the bucket would then take longer than an empty one.
"""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.errors import LimitsUnavailable
from app.persistence.scripts import RedisAway, Scripts
from app.settings import Tier

_PREFIX: Final = "milepost:bucket"
# Those who were here last; an older one's bucket would be full again, or nearly.
_MOST_USERS: Final = 100_000
# All is counted in microseconds, as Redis' clock does, of which a double holds each.
_MICROSECONDS: Final = 1_000_000
_ROUNDING: Final = 1
# How long it would have been until the bucket is full: what a request has found says all the rest.
_DRAW: Final = f"""
local now = redis.call('TIME')
now = now[1] * {_MICROSECONDS} + now[2]
local refill, empty = tonumber(ARGV[1]), tonumber(ARGV[2])
local found = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0)
if found + refill <= empty + {_ROUNDING} then
  redis.call('SET', KEYS[1], string.format('%.0f', now + found + refill), 'PX', math.ceil((found + refill) / 1000))
end
return string.format('%.17g', found)
"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a request found: whether there was something `left` for it, and after how many seconds there will be, or all is again."""

    is_over: bool
    left: int
    retry_seconds: float
    full_seconds: float


class Buckets:
    def __init__(self, scripts: Scripts | None = None, *, fails_closed: bool = False) -> None:
        self._fails_closed = fails_closed
        self._draw_in_redis = scripts.register_script(_DRAW) if scripts else None
        self._full_at: OrderedDict[str, float] = OrderedDict()

    async def draw(self, user_id: UUID, tier: Tier) -> Drawn:
        """Take one out; raise LimitsUnavailable.

        While Redis is away each process has buckets of its own, so that a user may have more, and never less, unless it `fails_closed`.
        """
        key, refill = f"{_PREFIX}:{tier.name}:{user_id}", _MICROSECONDS / tier.requests_per_second
        if self._draw_in_redis:
            try:
                return _drawn(float(await self._draw_in_redis([key], [refill, refill * tier.burst])), refill, tier.burst)
            except RedisAway:
                if self._fails_closed:
                    raise LimitsUnavailable from None
        return self._drawn_here(key, refill, tier.burst)

    def _drawn_here(self, key: str, refill: float, burst: int) -> Drawn:
        now = time.monotonic() * _MICROSECONDS
        found = max(self._full_at.get(key, now) - now, 0)
        drawn = _drawn(found, refill, burst)
        if not drawn.is_over:
            self._full_at[key] = now + found + refill
            self._full_at.move_to_end(key)
            if len(self._full_at) > _MOST_USERS:
                self._full_at.popitem(last=False)
        return drawn


def _drawn(found: float, refill: float, burst: int) -> Drawn:
    """Microseconds until the bucket was full, and what one takes."""
    after, empty = found + refill, refill * burst
    if after > empty + _ROUNDING:
        return Drawn(is_over=True, left=0, retry_seconds=(after - empty) / _MICROSECONDS, full_seconds=found / _MICROSECONDS)
    return Drawn(
        is_over=False, left=max(burst - math.ceil((after - _ROUNDING) / refill), 0), retry_seconds=0, full_seconds=after / _MICROSECONDS
    )
