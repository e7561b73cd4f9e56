"""The log in memory: every tail reads everything once and in order, however fast it is and wherever it begins."""

import asyncio
import random
from collections.abc import Callable
from uuid import uuid4

import pytest

from app.persistence.values import Entry
from app.runs.events import Ended, Token
from app.runs.log import RunLog

QUIET = 60.0


def new_log(attempt: int = 1, appended: Callable[[RunLog], None] = lambda _: None) -> RunLog:
    return RunLog(uuid4(), attempt, appended)


def tell(log: RunLog, count: int) -> None:
    for _ in range(count):
        log.append(Token(content=f"t{log.last + 1} "))


async def numbers(log: RunLog, after: int = 0, pace: Callable[[], float] | None = None) -> list[int]:
    """Read to the end; `pace` gives the pause after each batch."""
    read: list[int] = []
    async for entries in log.tail(after=after, silence_seconds=QUIET):
        read += [entry.sequence for entry in entries]
        if pace:
            await asyncio.sleep(pace())
    return read


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
async def test_no_tail_loses_or_doubles_an_event_whatever_the_order_of_things(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # not a secret
    log = new_log()
    total = chance.randint(1, 60)
    paces: list[Callable[[], float] | None] = [None, lambda: 0, lambda: chance.choice((0, 0, 0.0005)), lambda: 0.001]
    places = [chance.randint(0, total + 2) for _ in range(8)]
    readings = [asyncio.create_task(numbers(log, place, chance.choice(paces))) for place in places]
    while log.last < total:
        tell(log, min(chance.randint(1, 4), total - log.last))
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
        if chance.random() < 0.2:
            places.append(place := chance.randint(0, total))
            readings.append(asyncio.create_task(numbers(log, place, chance.choice(paces))))
    log.close()
    read = await asyncio.wait_for(asyncio.gather(*readings), 5)
    assert read == [[*range(place + 1, total + 1)] for place in places]


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
