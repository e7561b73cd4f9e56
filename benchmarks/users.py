"""The users: one task each, which asks, waits for the end of the answer, notes the times, and asks again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from benchmarks.answers import COMPLETED, Heard
from benchmarks.orders import Conversation, Order, Reply, Turn

OUT_OF_TIME: Final = "not over when time was up"


class Answer(Protocol):
    """What was received, to be understood once the clock has stopped."""

    def heard(self) -> Heard: ...


type Ask = Callable[[Conversation, str], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    question: str
    began_at: float
    ended_at: float
    answer: Answer | str


async def talk(order: Order, ask: Ask) -> Reply:
    """Let all users talk until each has had the turns ordered, then judge every answer."""
    deadline = time.monotonic() + order.seconds
    asked = await asyncio.gather(*(_one_user(order, number, ask, deadline) for number in range(len(order.conversations))))
    began = time.process_time()
    turns = [_judged(one, order.scenario.expected_text) for turns in asked for one in turns]
    return Reply(turns=turns, judging_cpu_seconds=time.process_time() - began)


async def _one_user(order: Order, number: int, ask: Ask, deadline: float) -> list[_Asked]:
    await asyncio.sleep(order.scenario.starts_after_seconds(number))
    turns = range(order.first_turn, order.first_turn + order.turns)
    return [await _one_turn(order.conversations[number], order.scenario.question(number, turn), ask, deadline) for turn in turns]


async def _one_turn(conversation: Conversation, question: str, ask: Ask, deadline: float) -> _Asked:
    began = time.monotonic()
    limit = asyncio.timeout(max(0, deadline - began))
    try:
        async with limit:
            answer: Answer | str = await ask(conversation, question)
    except Exception as problem:  # noqa: BLE001  # whatever it is, it is a failure to be counted
        answer = OUT_OF_TIME if limit.expired() else type(problem).__name__
    return _Asked(question=question, began_at=began, ended_at=time.monotonic(), answer=answer)


def _judged(asked: _Asked, expected: str) -> Turn:
    if isinstance(asked.answer, str):
        return Turn(question=asked.question, began_at=asked.began_at, ended_at=asked.ended_at, failure=asked.answer)
    heard = asked.answer.heard()
    failure = "" if heard.ended == COMPLETED else f"ended as: {heard.ended}"
    return Turn(
        question=asked.question,
        began_at=asked.began_at,
        ended_at=asked.ended_at,
        seen_at=heard.seen_at,
        token_frames=heard.token_frames,
        tool_calls=heard.tool_calls,
        failure=failure or ("" if heard.text == expected else "tokens lost, doubled or swapped"),
    )
