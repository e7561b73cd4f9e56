"""What passes between the measuring process and those who talk: one order in, all its turns out, a line of JSON each."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import TypeAdapter

from benchmarks.scenario import Scenario

READY: Final = b"ready\n"

Dialect = Literal["milepost", "provider"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Where one user's messages go; with a `model` they are put as OpenAI wants them."""

    url: str
    headers: Mapping[str, str]
    dialect: Dialect
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Have every conversation go on for so many turns, for so many seconds at most."""

    scenario: Scenario
    conversations: Sequence[Conversation]
    first_turn: int
    turns: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message and its answer, without a failure when it is whole; times by the machine's monotonic clock, which all processes share."""

    question: str
    began_at: float
    ended_at: float
    seen_at: Sequence[float] = ()
    token_frames: int = 0
    tool_calls: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of an order, and the CPU that went into judging it, which is no part of talking."""

    turns: Sequence[Turn]
    judging_cpu_seconds: float


ORDER: Final[TypeAdapter[Order]] = TypeAdapter(Order)
REPLY: Final[TypeAdapter[Reply]] = TypeAdapter(Reply)


async def obey(talk: Callable[[Order], Awaitable[Reply]]) -> None:
    """Carry out orders until there is nobody left to give any; the loop goes on between them, so that connections can be closed."""
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        sys.stdout.buffer.write(REPLY.dump_json(await talk(ORDER.validate_json(line))) + b"\n")
        sys.stdout.buffer.flush()
