"""Scripts in Redis: exact for many at once, and nobody waits for a Redis that is gone."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.accounts.buckets import Buckets, Drawn
from app.accounts.windows import Window, Windows
from app.persistence.redis_scripts import RedisScripts, open_redis_scripts
from app.persistence.scripts import RedisAway
from app.settings import RedisSettings, Tier
from tests.valkey_process import ValkeyProcess

FROZEN: Final = Tier(name="frozen", requests_per_second=0.001, burst=50)
WINDOWS: Final = [Window("day", 200, 86_400, "test:d:"), Window("hour", 30, 3_600, "test:h:")]
# Nobody waits longer than that for a limit.
MOST_SECONDS: Final = 0.1


@asynccontextmanager
async def _scripts(url: str) -> AsyncGenerator[RedisScripts]:
    async with open_redis_scripts(RedisSettings(REDIS_URL=SecretStr(url))) as scripts:
        assert scripts
        yield scripts


async def _well(scripts: RedisScripts, *, is_well: bool) -> None:
    async with asyncio.timeout(10):
        while scripts.is_well is not is_well:  # noqa: ASYNC110  # it looks by the clock
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("shared", [False, True])
async def test_a_thousand_at_once_pass_exactly_the_capacity(valkey: ValkeyProcess, shared: bool) -> None:
    async with _scripts(valkey.url) as scripts:
        buckets, ada = Buckets(scripts if shared else None), uuid4()
        drawn = await asyncio.gather(*(buckets.draw(ada, FROZEN) for _ in range(1_000)))
        assert scripts.is_well
        assert sum(not one.is_over for one in drawn) == FROZEN.burst
        assert sorted(one.left for one in drawn if not one.is_over) == [*range(FROZEN.burst)]
        assert all(900 < one.retry_seconds <= 1_000 for one in drawn if one.is_over)
        assert not (await buckets.draw(uuid4(), FROZEN)).is_over

        windows = Windows(scripts if shared else None)
        counted = await asyncio.gather(*(windows.count(WINDOWS, "203.0.113.7") for _ in range(300)))
        assert sum(not any(one.is_over for one in windows_) for windows_ in counted) == 30
        day, hour = counted[-1]
        assert (day.count, hour.count, day.left, hour.left) == (300, 300, 0, 0)
        assert 86_000 < day.seconds_left <= 86_400
        assert 3_500 < hour.seconds_left <= 3_600


async def test_two_processes_share_what_is_in_redis_and_a_bucket_refills(valkey: ValkeyProcess) -> None:
    quick = Tier(name="quick", requests_per_second=20, burst=5)
    async with _scripts(valkey.url) as one, _scripts(valkey.url) as other:
        here, there, ada = Buckets(one), Buckets(other), uuid4()
        drawn = await asyncio.gather(*(buckets.draw(ada, FROZEN) for buckets in (here, there) for _ in range(100)))
        assert sum(not one.is_over for one in drawn) == FROZEN.burst

        while not (over := await here.draw(ada, quick)).is_over:
            pass
        assert 0 < over.retry_seconds <= 0.05
        await asyncio.sleep(over.retry_seconds)
        assert not (await there.draw(ada, quick)).is_over


async def _timed(buckets: Buckets, tier: Tier) -> tuple[float, Drawn]:
    began = time.perf_counter()
    drawn = await buckets.draw(uuid4(), tier)
    return time.perf_counter() - began, drawn


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_a_redis_that_goes_away_costs_a_moment_once_and_no_request(valkey: ValkeyProcess, how: str) -> None:
    async with _scripts(valkey.url) as scripts:
        buckets, windows = Buckets(scripts), Windows(scripts)
        await _timed(buckets, FROZEN)
        with capture_logs() as logs:
            getattr(valkey, how)()
            first, drawn = await _timed(buckets, FROZEN)
            assert not drawn.is_over
            assert first < MOST_SECONDS * 3  # a machine of tests is slow, and yet this is no timeout of seconds
            others = [await _timed(buckets, FROZEN) for _ in range(20)]
            assert all(not one.is_over for _, one in others)
            assert sorted(seconds for seconds, _ in others)[10] < 0.01
            assert [one.count for one in await windows.count(WINDOWS, "198.51.100.1")] == [1, 1]
        assert [entry["event"] for entry in logs] == ["limits_without_redis"]
        assert "redis://" not in str(logs)
        with capture_logs() as logs:
            valkey.start() if how == "kill" else valkey.thaw()
            await _well(scripts, is_well=True)
            assert not (await buckets.draw(uuid4(), FROZEN)).is_over
            assert scripts.is_well  # the scripts of a Redis that was started anew were loaded
        assert [entry["event"] for entry in logs] == ["limits_in_redis_again"]


async def test_a_redis_that_refuses_is_as_good_as_none(valkey: ValkeyProcess) -> None:
    async with _scripts(valkey.url) as scripts:
        broken = scripts.register_script("return redis.call('GET')")
        with pytest.raises(RedisAway):
            await broken(["key"], [])
        assert not scripts.is_well
        assert not (await Buckets(scripts).draw(uuid4(), FROZEN)).is_over


async def test_what_nobody_foresaw_keeps_no_request_waiting(valkey: ValkeyProcess) -> None:
    async with _scripts(valkey.url) as scripts, asyncio.timeout(10):
        run = scripts.register_script("return ARGV[1]")
        with pytest.raises(RedisAway):
            await run(["key"], ["\ud800"])  # no bytes can be made of it, and that is no error of Redis's
        assert not scripts.is_well
        await _well(scripts, is_well=True)
        assert await run(["key"], ["word"]) == b"word"


async def test_who_waits_when_the_server_ends_is_let_go(valkey: ValkeyProcess) -> None:
    async with _scripts(valkey.url) as scripts:
        await Windows(scripts).count(WINDOWS, "203.0.113.9")
        valkey.freeze()
        waiting = asyncio.create_task(Buckets(scripts).draw(uuid4(), FROZEN))
        await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        assert not (await waiting).is_over
    valkey.thaw()


async def test_a_server_starts_without_its_redis(valkey: ValkeyProcess) -> None:
    valkey.kill()
    async with _scripts(valkey.url) as scripts:
        assert not scripts.is_well
        buckets, ada = Buckets(scripts), uuid4()
        assert [(await buckets.draw(ada, FROZEN)).left for _ in range(3)] == [49, 48, 47]
        valkey.start()
        await _well(scripts, is_well=True)
        assert (await buckets.draw(ada, FROZEN)).left == 49


async def test_who_hangs_up_while_it_waits_costs_the_others_nothing(valkey: ValkeyProcess) -> None:
    async with _scripts(valkey.url) as scripts:
        buckets, ada = Buckets(scripts), uuid4()
        gone = [asyncio.create_task(buckets.draw(ada, FROZEN)) for _ in range(20)]
        await asyncio.sleep(0)
        for one in gone[::2]:
            one.cancel()
        await asyncio.wait(gone)
        assert not (await buckets.draw(ada, FROZEN)).is_over
        assert scripts.is_well


async def test_windows_in_a_process_end_and_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("app.accounts.windows.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("app.accounts.windows._MOST_KEYS", 100)
    windows, short = Windows(), [Window("minute", 2, 60, "test:")]
    assert [(await windows.count(short, "a"))[0].is_over for _ in range(3)] == [False, False, True]
    clock[0] += 60
    assert not (await windows.count(short, "a"))[0].is_over
    for number in range(1_000):
        await windows.count(short, str(number))
    assert len(windows._here) <= 100
    assert (await windows.count(short, "999"))[0].count == 2
