"""A bucket refills at its tier's rate and holds no more than its burst; in Redis it is the same to the microsecond."""

from collections.abc import Iterator
from typing import Final
from unittest.mock import patch
from uuid import uuid4

import pytest
from pydantic import SecretStr
from redis import Redis

from app.accounts import buckets as module
from app.accounts.buckets import Buckets, Drawn
from app.persistence.redis_scripts import open_redis_scripts
from app.settings import RedisSettings, Tier
from tests.valkey_process import ValkeyProcess

TWO_A_SECOND: Final = Tier(name="two", requests_per_second=2, burst=3)
A_THIRD: Final = Tier(name="third", requests_per_second=3, burst=7)


class _Clock:
    """Stands where the module has `time`."""

    now = 1_234_567.891

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[_Clock]:
    with patch("app.accounts.buckets.time", ticking := _Clock()):
        yield ticking


async def test_each_request_is_told_what_is_left_and_when_all_is_again(clock: _Clock) -> None:
    buckets, ada = Buckets(), uuid4()
    drawn = [await buckets.draw(ada, TWO_A_SECOND) for _ in range(4)]
    assert drawn == [Drawn(False, 2, 0, 0.5), Drawn(False, 1, 0, 1), Drawn(False, 0, 0, 1.5), Drawn(True, 0, 0.5, 1.5)]
    clock.now += 0.25
    assert await buckets.draw(ada, TWO_A_SECOND) == Drawn(True, 0, 0.25, 1.25)
    clock.now += 0.25
    assert await buckets.draw(ada, TWO_A_SECOND) == Drawn(False, 0, 0, 1.5)
    clock.now += 60
    assert await buckets.draw(ada, TWO_A_SECOND) == Drawn(False, 2, 0, 0.5)


@pytest.mark.usefixtures("clock")
async def test_a_rate_that_no_microsecond_divides_gives_its_burst_all_the_same() -> None:
    buckets, ada = Buckets(), uuid4()
    drawn = [await buckets.draw(ada, A_THIRD) for _ in range(8)]
    assert [one.is_over for one in drawn] == [False] * 7 + [True]


@pytest.mark.usefixtures("clock")
async def test_what_arithmetic_loses_is_no_request() -> None:
    buckets, ada, slow = Buckets(), uuid4(), Tier(name="slow", requests_per_second=0.007, burst=7)
    assert [(await buckets.draw(ada, slow)).left for _ in range(7)] == [6, 5, 4, 3, 2, 1, 0]


async def test_those_that_have_not_come_for_longest_are_forgotten_first(clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_USERS", 2)
    buckets, ada, bob, eve = Buckets(), uuid4(), uuid4(), uuid4()
    for user in (ada, bob, ada, eve):
        clock.now += 0.01
        await buckets.draw(user, TWO_A_SECOND)
    assert (await buckets.draw(ada, TWO_A_SECOND)).left == 0
    assert (await buckets.draw(bob, TWO_A_SECOND)).left == 2, "forgotten, and so full"


async def test_in_redis_the_same_requests_find_the_same(valkey: ValkeyProcess) -> None:
    """But for the time that goes by between them."""
    async with open_redis_scripts(RedisSettings(REDIS_URL=SecretStr(valkey.url))) as scripts:
        here, shared, ada = Buckets(), Buckets(scripts), uuid4()
        slow = Tier(name="slow", requests_per_second=0.003, burst=5)
        for _ in range(7):
            one, other = await here.draw(ada, slow), await shared.draw(ada, slow)
            assert (one.is_over, one.left) == (other.is_over, other.left)
            assert one.retry_seconds == pytest.approx(other.retry_seconds, abs=5)
            assert one.full_seconds == pytest.approx(other.full_seconds, abs=5)
    with Redis.from_url(valkey.url) as client:
        kept_ms = client.pttl(f"milepost:bucket:slow:{ada}")
    assert kept_ms == pytest.approx(other.full_seconds * 1_000, abs=5_000), "until it is full, and no longer"
