"""A persona that a model plays, in talk with an agent: openevals' simulated user, with an end that is certain."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Any, Final

from langsmith import tracing_context
from openevals.simulators import create_async_llm_simulated_user

from app.errors import AppError
from app.llm.models import Model
from app.text import quoted
from evals.answers import Turn
from evals.cases import Persona
from evals.targets.talking import NotAnswered
from evals.tries import Player

_PROMPT: Final = Path(__file__).parent / "prompts" / "persona.md"
_DONE: Final = "[DONE]"
_LONGEST: Final = 20_000
_SPEECHLESS: Final = "persona_speechless"

type _User = Callable[..., Awaitable[dict[str, Any]]]


class Ending(StrEnum):
    """Why a talk is over. `STUCK`: the persona said the same again, or nothing; `SILENT`: the model that plays it failed."""

    DONE = "done"
    TURNS = "turns"
    STUCK = "stuck"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """`error` is a code where the model that plays the persona failed."""

    turns: Sequence[Turn]
    ending: Ending
    error: str = ""


async def talk(persona: Persona, model: Model, ask: Callable[[str], Awaitable[Turn]], *, seconds: float = 60) -> Talk:
    """Let the persona say something and `ask` the agent, so many turns at most; the model has `seconds` to think of each message.

    Raise what `ask` raises.
    """
    prompt = Template(_PROMPT.read_text()).substitute(who=quoted(persona.who), goal=quoted(persona.goal))
    user: _User = create_async_llm_simulated_user(system=prompt, client=model.client)
    turns: list[Turn] = []
    while len(turns) < persona.turns:
        try:
            said = await _says(user, turns, seconds)
        except TimeoutError:
            return Talk(turns=turns, ending=Ending.SILENT, error="persona_timeout")
        except AppError as error:
            return Talk(turns=turns, ending=Ending.SILENT, error=error.code)
        if _DONE in said:
            return Talk(turns=turns, ending=Ending.DONE)
        if not said or any(turn.said == said for turn in turns[-2:]):
            return Talk(turns=turns, ending=Ending.STUCK)
        turns.append(await ask(said))
    return Talk(turns=turns, ending=Ending.TURNS)


def player_of(model: Model) -> Player:
    """Play each persona with this model; raise NotAnswered where it fails, or has nothing to say from the beginning."""

    async def play(persona: Persona, ask: Callable[[str], Awaitable[Turn]]) -> None:
        talked = await talk(persona, model, ask)
        if talked.error:
            raise NotAnswered(talked.error, "The model that plays the persona failed.")
        if not talked.turns:  # an agent that nobody asked has kept to everything
            raise NotAnswered(_SPEECHLESS, "The model that plays the persona said nothing.")

    return play


async def _says(user: _User, turns: Sequence[Turn], seconds: float) -> str:
    heard = [message for turn in turns for message in (("user", turn.said), ("assistant", turn.text))]
    # A person's machine may be set up to tell LangSmith of what it runs; what agents answered is not for it.
    async with asyncio.timeout(seconds):
        with tracing_context(enabled=False):
            said = await user([{"role": role, "content": text[:_LONGEST]} for role, text in heard], turn_counter=len(turns))
    return _text(said["content"]).strip()[:_LONGEST]


def _text(content: object) -> str:
    """Some providers' answers are lists of parts."""
    parts = content if isinstance(content, list) else [content]
    return "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in parts if isinstance(part, str | dict))
