"""The clients: one task per user, which sends, reads to the end, notes the times, and sends again."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp

from benchmarks.answers import COMPLETED, Heard
from benchmarks.scenario import Scenario

TURN_SECONDS: Final = 120
_FIRST_TOKEN: Final = b'"t1 '


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Where one user's messages go."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message and its answer; `failure` is empty when the answer was whole."""

    seconds: float
    first_token_seconds: float
    token_frames: int
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    body: bytes
    seconds: float
    first_token_seconds: float


def open_clients() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=TURN_SECONDS))


async def talk(
    clients: aiohttp.ClientSession, conversations: Sequence[Conversation], scenario: Scenario, hear: Callable[[bytes], Heard]
) -> list[Turn]:
    """Let all users talk at once, until each has had the scenario's turns."""
    users = (_one_user(clients, conversation, number, scenario, hear) for number, conversation in enumerate(conversations))
    return [turn for turns in await asyncio.gather(*users) for turn in turns]


async def _one_user(
    clients: aiohttp.ClientSession, conversation: Conversation, number: int, scenario: Scenario, hear: Callable[[bytes], Heard]
) -> list[Turn]:
    answers = [await _ask(clients, conversation, f"User {number} asks question {turn}.") for turn in range(scenario.turns)]
    return [_judged(answer, scenario, hear) for answer in answers]


async def _ask(clients: aiohttp.ClientSession, conversation: Conversation, message: str) -> _Answer | str:
    body, first, began = bytearray(), 0.0, time.perf_counter()
    try:
        async with clients.post(conversation.url, json={"message": message}, headers=conversation.headers) as response:
            async for piece in response.content.iter_any():
                body += piece
                if not first and _FIRST_TOKEN in body:
                    first = time.perf_counter() - began
    except (aiohttp.ClientError, TimeoutError) as problem:
        return type(problem).__name__
    return _Answer(status=response.status, body=bytes(body), seconds=time.perf_counter() - began, first_token_seconds=first)


def _judged(answer: _Answer | str, scenario: Scenario, hear: Callable[[bytes], Heard]) -> Turn:
    if isinstance(answer, str):
        return Turn(seconds=0, first_token_seconds=0, token_frames=0, failure=answer)
    if answer.status != HTTPStatus.OK:
        return Turn(seconds=0, first_token_seconds=0, token_frames=0, failure=f"HTTP {answer.status}")
    heard = hear(answer.body)
    failure = "" if heard.ended == COMPLETED else f"ended as: {heard.ended}"
    failure = failure or ("" if heard.text == scenario.expected_text else "tokens lost, doubled or swapped")
    return Turn(seconds=answer.seconds, first_token_seconds=answer.first_token_seconds, token_frames=heard.token_frames, failure=failure)
