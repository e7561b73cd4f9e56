"""What is set aside for a run: when its calls need more, and how much."""

import asyncio
from datetime import UTC, datetime

import pytest
from uuid_utils.compat import uuid7

from app.errors import QuotaExceeded
from app.llm.calls import ModelCall, Purpose
from app.llm.reservation import Reservation


class Asked:
    """What more was asked for; `refuses` once there is none."""

    def __init__(self) -> None:
        self.more: list[tuple[int, float]] = []
        self.refuses = False

    async def __call__(self, tokens: int, usd: float) -> None:
        await asyncio.sleep(0)
        if self.refuses:
            raise QuotaExceeded
        self.more.append((tokens, round(usd, 6)))


def _reservation(more: Asked, *, tokens: int = 100, usd: float = 1) -> Reservation:
    return Reservation(tokens=tokens, usd=usd, answer_tokens=20, answer_usd=0.2, more=more)


def _call(tokens: int, usd: float = 0) -> ModelCall:
    return ModelCall(
        id=uuid7(),
        model="stub",
        purpose=Purpose.ANSWER,
        started_at=datetime.now(UTC),
        latency_ms=1,
        first_token_ms=None,
        input_tokens=tokens,
        cost_usd=usd,
    )


async def test_the_first_call_is_what_was_set_aside_for_and_a_later_one_is_as_long_as_the_longest_with_its_answer() -> None:
    more = Asked()
    reservation = _reservation(more)
    async with reservation.calling():
        reservation.spend(_call(70))
    assert more.more == []
    async with reservation.calling():  # 70 and 20, of which 30 are left
        reservation.spend(_call(80))
    assert more.more == [(60, 0)]


async def test_money_that_runs_short_is_asked_for_as_tokens_are() -> None:
    more = Asked()
    reservation = _reservation(more, tokens=1_000)
    reservation.spend(_call(10, 0.7))
    async with reservation.calling():  # 0.7 and 0.2, of which 0.3 are left
        assert more.more == [(0, 0.6)]


async def test_calls_at_the_same_moment_each_ask_for_their_own() -> None:
    more = Asked()
    reservation = _reservation(more)
    reservation.spend(_call(100))

    async def call() -> None:
        async with reservation.calling():
            await asyncio.sleep(0.01)

    await asyncio.gather(call(), call())
    assert more.more == [(120, 0), (120, 0)]


async def test_what_was_refused_is_not_had_the_next_time() -> None:
    more = Asked()
    reservation = _reservation(more)
    reservation.spend(_call(100))
    more.refuses = True
    with pytest.raises(QuotaExceeded):
        async with reservation.calling():
            pytest.fail("There is no room for it.")
    more.refuses = False
    async with reservation.calling():
        assert more.more == [(120, 0)]
