"""Requests counted by address in windows of time: in Redis for all servers, in this process where there is none."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.errors import LimitsUnavailable
from app.persistence.scripts import RedisAway, Scripts

_MOST_KEYS: Final = 50_000
_MILLISECONDS: Final = 1_000
# All windows of a request in one step: each begins with its first request, and is forgotten when it is over.
_COUNT: Final = """
local counted = {}
for place, key in ipairs(KEYS) do
  local count, left = redis.call('INCR', key), redis.call('PTTL', key)
  if left < 0 then
    left = tonumber(ARGV[place])
    redis.call('PEXPIRE', key, left)
  end
  counted[#counted + 1] = count
  counted[#counted + 1] = left
end
return counted
"""


@dataclass(frozen=True, slots=True)
class Window:
    """So many requests of one address in so many seconds; `prefix` is that of its keys."""

    name: str
    most: int
    seconds: int
    prefix: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Where an address stands in a window, with the request that was counted."""

    window: Window
    count: int
    seconds_left: float

    @property
    def is_over(self) -> bool:
        return self.count > self.window.most

    @property
    def left(self) -> int:
        return max(self.window.most - self.count, 0)


class Windows:
    def __init__(self, scripts: Scripts | None = None, *, fails_closed: bool = False) -> None:
        self._fails_closed = fails_closed
        self._count_in_redis = scripts.register_script(_COUNT) if scripts else None
        self._here: dict[str, tuple[int, float]] = {}

    async def count(self, windows: Sequence[Window], address: str) -> Sequence[Counted]:
        """Count a request in each; raise LimitsUnavailable.

        While Redis is away each process counts for itself, so that an address may have more, and none less, unless it `fails_closed`.
        """
        if self._count_in_redis:
            try:
                found = await self._count_in_redis(
                    [window.prefix + address for window in windows], [window.seconds * _MILLISECONDS for window in windows]
                )
            except RedisAway:
                if self._fails_closed:
                    raise LimitsUnavailable from None
            else:
                return [Counted(window, found[2 * place], found[2 * place + 1] / _MILLISECONDS) for place, window in enumerate(windows)]
        return [self._counted_here(window, address) for window in windows]

    def _counted_here(self, window: Window, address: str) -> Counted:
        now, key = time.monotonic(), window.prefix + address
        count, ends_at = self._here.get(key, (0, 0.0))
        if ends_at <= now:
            if len(self._here) >= _MOST_KEYS:
                self._make_room(now)
            count, ends_at = 0, now + window.seconds
        self._here[key] = (count + 1, ends_at)
        return Counted(window, count + 1, ends_at - now)

    def _make_room(self, now: float) -> None:
        """Forget what is over, or at least the tenth that came first: who has so many addresses is not stopped by counting them."""
        self._here = {key: kept for key, kept in self._here.items() if kept[1] > now}
        if len(self._here) >= _MOST_KEYS:
            for key in [*self._here][: _MOST_KEYS // 10]:
                del self._here[key]
