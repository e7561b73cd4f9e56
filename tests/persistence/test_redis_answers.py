"""Answers kept in Redis: found by every server, for their time, and never waited for."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.errors import SettingsInvalid, Unavailable
from app.persistence.redis_answers import BLINK_SECONDS, RedisAnswers, open_redis_answers
from app.persistence.shared import open_shared_answers
from app.settings import RedisSettings
from tests.valkey_process import ValkeyProcess

# A blink, and what a machine with other things to do may add to it; less than the client's own patience.
SOON_SECONDS: Final = BLINK_SECONDS + 0.7


@asynccontextmanager
async def answers_of(url: str, seconds: int = 60) -> AsyncIterator[RedisAnswers]:
    async with open_redis_answers(RedisSettings(REDIS_URL=SecretStr(url)), seconds) as answers:
        assert answers
        yield answers


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110  # another process makes it true
            await asyncio.sleep(0.02)


async def written(answers: RedisAnswers, key: str, answer: bytes) -> None:
    """Keep an answer, and wait until Redis has it."""

    async def is_written() -> bool:
        return not answers._unwritten

    answers.keep(key, answer)
    await until(is_written)


async def until_found(answers: RedisAnswers, key: str, answer: bytes) -> None:
    async def found() -> bool:
        return await answers.find(key) == answer

    await until(found)


async def test_what_one_process_keeps_another_finds_until_its_time_is_over(valkey: ValkeyProcess) -> None:
    async with answers_of(valkey.url, seconds=60) as here, answers_of(valkey.url, seconds=1) as there:
        here.keep("one", b"1")
        assert await here.find("one") == b"1"  # at once, though it is hardly written
        await until_found(there, "one", b"1")
        there.keep("two", b"2")
        await until_found(here, "two", b"2")
        async with Redis.from_url(valkey.url) as client:
            assert sorted(await client.keys("*")) == [b"milepost:answer:one", b"milepost:answer:two"]
            assert 0 < await client.ttl("milepost:answer:one") <= 60
        await asyncio.sleep(1.1)  # Redis' own clock
        assert (await here.find("one"), await here.find("two")) == (b"1", None)


async def test_a_killed_redis_is_as_good_as_an_empty_one_and_is_used_again_when_it_is_back(valkey: ValkeyProcess) -> None:
    async with answers_of(valkey.url) as answers:
        await written(answers, "one", b"1")
        valkey.kill()
        with capture_logs() as logs:
            for number in range(100):
                answers.keep(f"lost {number}", b"x")
                async with asyncio.timeout(SOON_SECONDS):
                    assert await answers.find(f"other {number}") is None
        assert [set(line) for line in logs] == [{"event", "error", "log_level"}]  # once, and without an address
        valkey.start()
        async with answers_of(valkey.url) as others:
            await written(others, "two", b"2")
        await until_found(answers, "two", b"2")
        await written(answers, "three", b"3")
        assert await answers.find("lost 0") is None
        assert await answers.find("three") == b"3"


async def test_a_frozen_redis_costs_a_blink_and_then_nothing_for_a_while(valkey: ValkeyProcess) -> None:
    async with answers_of(valkey.url) as answers:
        await written(answers, "one", b"1")
        valkey.freeze()
        started = time.monotonic()
        assert await asyncio.gather(*(answers.find("one") for _ in range(10))) == [None] * 10
        assert time.monotonic() - started < SOON_SECONDS
        started = time.monotonic()
        assert [await answers.find("one") for _ in range(50)] == [None] * 50
        assert time.monotonic() - started < BLINK_SECONDS
        valkey.thaw()
        await until_found(answers, "one", b"1")


async def test_a_redis_that_was_never_there_is_nobodys_trouble(valkey: ValkeyProcess) -> None:
    valkey.kill()
    async with answers_of(valkey.url) as answers:
        async with asyncio.timeout(SOON_SECONDS):
            assert await answers.find("one") is None


async def test_readers_that_are_cancelled_leave_no_answer_for_the_next(valkey: ValkeyProcess) -> None:
    async with answers_of(valkey.url) as answers:
        keys = [f"{number}" for number in range(20)]
        for key in keys:
            await written(answers, key, key.encode() * 10_000)
        for turns in range(60):
            reading = [asyncio.create_task(answers.find(key)) for key in keys]
            for _ in range(turns % 12):
                await asyncio.sleep(0)
            for task in reading:
                task.cancel()
            await asyncio.wait(reading)
            for key in keys[:3]:
                assert await answers.find(key) == key.encode() * 10_000


async def test_what_is_at_the_key_but_no_answer_is_none(valkey: ValkeyProcess) -> None:
    async with answers_of(valkey.url) as answers, Redis.from_url(valkey.url) as client:
        await client.execute_command("RPUSH", "milepost:answer:one", "x")  # type: ignore[no-untyped-call]  # redis leaves it bare
        assert await answers.find("one") is None


async def test_without_an_address_there_is_no_store_and_a_wrong_one_is_refused_without_its_password() -> None:
    async with open_shared_answers(RedisSettings(REDIS_URL=SecretStr("")), 60) as answers:
        assert answers is None
    with pytest.raises(SettingsInvalid, match=r"^REDIS_URL: ") as refused:
        async with answers_of("redis://:canary@127.0.0.1:port"):
            pass
    assert "canary" not in refused.value.detail


async def test_what_is_kept_of_an_owner_is_erased_in_every_server_and_nothing_comes_after(valkey: ValkeyProcess) -> None:
    async with answers_of(valkey.url) as here, answers_of(valkey.url) as there:
        for key in ("ada:1", "ada:2", "bob:1"):
            await written(here, key, b"said")
        there.keep("ada:3", b"on its way")
        there.drop("ada")
        assert await here.forget("ada") == 2
        await written(there, "ada:4", b"late")  # a run that was about to end there
        await written(there, "bob:2", b"said")
        async with Redis.from_url(valkey.url) as client:
            assert sorted(await client.keys("milepost:answer:*")) == [b"milepost:answer:bob:1", b"milepost:answer:bob:2"]


async def test_an_erasure_is_refused_where_redis_does_not_answer(valkey: ValkeyProcess) -> None:
    async with answers_of(valkey.url) as answers:
        valkey.kill()
        with pytest.raises(Unavailable):
            await answers.forget("ada")
