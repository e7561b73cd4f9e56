"""One try at a case: a conversation with the target, to its end or to its time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from evals.answers import Answer, Turn
from evals.cases import Case, Persona
from evals.targets.talking import Conversation, NotAnswered, Target

TIMEOUT: Final = "timeout"

# Plays the persona: says what it would through the function that it is given, until it has reached its goal or had its turns.
type Player = Callable[[Persona, Callable[[str], Awaitable[Turn]]], Awaitable[None]]


async def no_player(_: Persona, __: Callable[[str], Awaitable[Turn]]) -> None:
    raise NotAnswered("no_player", "Nobody is there to play the persona: say which model does, with --judge.")


async def answer_of(case: Case, attempt: int, target: Target, *, seconds: float, play: Player = no_player) -> Answer:
    """Whatever goes wrong is the answer's `error`; what was said before it is kept."""
    turns: list[Turn] = []
    error, detail = "", ""
    try:
        async with asyncio.timeout(seconds), target.conversation() as conversation:
            await _converse(case, conversation, turns, play)
    except NotAnswered as reason:
        error, detail = reason.code, reason.detail
        turns += [reason.turn] if reason.turn else []
    except TimeoutError:
        error, detail = TIMEOUT, f"It took longer than {seconds:g} seconds."
    return Answer(case_id=case.id, attempt=attempt, turns=turns, error=error, detail=detail)


async def _converse(case: Case, conversation: Conversation, turns: list[Turn], play: Player) -> None:
    async def ask(text: str) -> Turn:
        turns.append(turn := await conversation.ask(text))
        return turn

    try:
        for text in case.says:
            await ask(text)
        if case.persona:
            await play(case.persona, ask)
    except asyncio.CancelledError:
        turns += [conversation.begun] if conversation.begun else []
        raise
