"""The log in memory: every tail reads everything once and in order, however fast it is and wherever it begins."""

import asyncio
import json
import random
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import pytest

from app.api.v1.chat_schemas import InterruptOut
from app.persistence.values import Entry
from app.runs.events import Ended, Interrupted, Token, encode
from app.runs.log import RunLog

QUIET = 60.0


# A short text as an object of Python's, and not the block of memory in which it was written.
_MOST_BYTES_OF_A_TOKEN: Final = 300


def new_log(attempt: int = 1, appended: Callable[[RunLog], None] = lambda _: None) -> RunLog:
    return RunLog(uuid4(), attempt, appended)


def tell(log: RunLog, count: int) -> None:
    for _ in range(count):
        log.append(Token(content=f"t{log.last + 1} "))


async def numbers(log: RunLog, after: int = 0) -> list[int]:
    """Read to the end."""
    return [entry.sequence async for entries in log.tail(after=after, silence_seconds=QUIET) for entry in entries]


@pytest.mark.parametrize(("after", "read"), [(0, [1, 2, 3, 4]), (2, [3, 4]), (4, []), (9, []), (10**18, [])])
async def test_a_tail_begins_where_it_is_told(after: int, read: list[int]) -> None:
    log = new_log()
    tell(log, 4)
    log.close()
    assert await asyncio.wait_for(numbers(log, after), 1) == read


async def test_a_tail_from_beyond_the_end_waits_for_what_follows_its_place() -> None:
    log = new_log()
    tell(log, 2)
    reading = asyncio.create_task(numbers(log, after=4))
    for _ in range(4):
        await asyncio.sleep(0)
        tell(log, 1)
    log.close()
    assert await asyncio.wait_for(reading, 1) == [5, 6]


async def test_a_later_attempt_counts_from_its_own_million() -> None:
    log = new_log(attempt=3)
    tell(log, 2)
    log.close()
    assert await numbers(log) == [2_000_001, 2_000_002]
    assert await numbers(log, after=2_000_001) == [2_000_002]
    assert await numbers(log, after=1_000_007) == [2_000_001, 2_000_002]


@pytest.mark.parametrize("value", [None, 2**70], ids=["plain", "past 64 bits"])
def test_a_moment_is_told_as_replies_tell_it(value: int | None) -> None:
    moment = datetime(2026, 11, 21, 12, 30, 15, 250_000, tzinfo=UTC)
    told = json.loads(encode(Interrupted(id="q", value=value, schema={}, expires_at=moment)))
    reply = InterruptOut.model_validate({"id": "q", "value": value, "schema": {}, "expires_at": moment})
    assert told["expires_at"] == reply.model_dump(mode="json")["expires_at"] == "2026-11-21T12:30:15.250000Z"


async def test_silence_is_an_empty_batch_each_time() -> None:
    log = new_log()
    tail = log.tail(after=0, silence_seconds=0.01)
    assert [await anext(tail), await anext(tail)] == [[], []]
    tell(log, 1)
    assert len(await anext(tail)) == 1
    await tail.aclose()


async def test_a_tail_hears_of_its_own_silence_only() -> None:
    log = new_log()
    impatient, patient = log.tail(after=0, silence_seconds=0.01), asyncio.create_task(anext(log.tail(after=2, silence_seconds=QUIET)))
    for _ in range(3):
        assert await anext(impatient) == []
    tell(log, 1)
    await asyncio.sleep(0.02)
    assert not patient.done(), "neither another's silence nor an event before its place is news for it"
    tell(log, 2)
    assert [entry.sequence for entry in await patient] == [3]
    await impatient.aclose()


async def test_closing_ends_a_tail_that_waits() -> None:
    log = new_log()
    readings = [asyncio.create_task(numbers(log)) for _ in range(3)]
    await asyncio.sleep(0)
    log.close()
    assert await asyncio.wait_for(asyncio.gather(*readings), 1) == [[], [], []]


async def test_a_tail_that_is_given_up_leaves_the_others_alone() -> None:
    log = new_log()
    given_up, reading = asyncio.create_task(numbers(log)), asyncio.create_task(numbers(log))
    await asyncio.sleep(0)
    given_up.cancel()
    tell(log, 3)
    log.close()
    assert await asyncio.wait_for(reading, 1) == [1, 2, 3]


@pytest.mark.parametrize("seed", range(25))
async def test_no_tail_loses_or_doubles_an_event_or_oversleeps_whatever_the_order_of_things(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # not a secret
    log, total = new_log(), chance.randint(1, 60)
    readers = [Reader(log, chance, total) for _ in range(8)]
    while log.last < total:
        tell(log, min(chance.randint(1, 4), total - log.last))
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
        if chance.random() < 0.2:
            readers.append(Reader(log, chance, total))
    # The log is not closed: whoever waits now has lost a wake-up.
    async with asyncio.timeout(5):
        await asyncio.gather(*(reader.caught_up.wait() for reader in readers))
    log.close()
    await asyncio.wait_for(asyncio.gather(*(reader.reading for reader in readers)), 5)
    assert [reader.read for reader in readers] == [[*range(reader.after + 1, total + 1)] for reader in readers]


class Reader:
    """A tail from anywhere at a pace of its own."""

    def __init__(self, log: RunLog, chance: random.Random, total: int) -> None:
        self.after, self.read, self.caught_up = chance.randint(0, total + 2), list[int](), asyncio.Event()
        self._pauses = chance.choice([(), (0,), (0, 0, 0.0005), (0.001,)])
        self.reading = asyncio.create_task(self._follow(log, chance, total))

    async def _follow(self, log: RunLog, chance: random.Random, total: int) -> None:
        if self.after >= total:
            self.caught_up.set()
        async for entries in log.tail(after=self.after, silence_seconds=QUIET):
            self.read += [entry.sequence for entry in entries]
            if self.read and self.read[-1] == total:
                self.caught_up.set()
            if self._pauses:
                await asyncio.sleep(chance.choice(self._pauses))


async def test_the_writer_is_told_of_each_event_and_gets_each_once() -> None:
    told: list[RunLog] = []
    log = new_log(appended=told.append)
    tell(log, 3)
    assert told == [log, log, log]
    batch = log.following(())
    assert [entry.sequence for entry in batch.entries] == [1, 2, 3]
    tell(log, 1)
    log.written(batch)
    assert [entry.sequence for entry in log.following(()).entries] == [4]


async def test_the_end_is_seen_once_it_is_written_and_not_before() -> None:
    log = new_log()
    tell(log, 1)
    reading = asyncio.create_task(anext(log.tail(after=1, silence_seconds=QUIET)))
    batch = log.following([Ended(status="completed", message_id="m")])
    await asyncio.sleep(0)
    assert not reading.done()
    log.publish(batch)
    [end] = await asyncio.wait_for(reading, 1)
    assert (end.sequence, end.type) == (2, "end")
    assert [entry.sequence for entry in batch.entries] == [1, 2]
    assert isinstance(end, Entry)


def test_what_is_kept_of_a_token_takes_no_more_memory_than_it_has_to() -> None:
    tracemalloc.start()
    try:
        kept = [encode(Token(content=f"t{number} ")) for number in range(1_000)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / len(kept) < _MOST_BYTES_OF_A_TOKEN
