"""Which of the known facts about a user are no longer true, now that new ones are known."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Final

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, Field

from app.agent.json_answers import read_answer
from app.agent.prompts import prompt_text, quoted
from app.agent.statements import replaces
from app.errors import ModelBadAnswer
from app.llm.asking import Asker
from app.llm.calls import Purpose

_MAX_TOKENS: Final = 1_000
_MAX_LENGTH: Final = 1_000

_Number = Annotated[int, Field(ge=1)]


class _Replaced(BaseModel):
    known: _Number
    new: _Number


class _Answer(BaseModel):
    replaced: list[_Replaced]


class _Fact(BaseModel):
    text: str
    attributed_to: str | None = None


class _Extracted(BaseModel):
    memory: list[_Fact]


async def replaced_by(model: Asker, known: Sequence[str], new: Sequence[str]) -> Mapping[int, int]:
    """The places of known facts that are no longer true, each with the place of the new one that takes its place.

    One question to the model for all of them; raise what the model raises, and ModelBadAnswer when it twice answers in another form.
    """
    told = f"<known>\n{_lines(known)}\n</known>\n<new>\n{_lines(new)}\n</new>"
    prompt = [SystemMessage(prompt_text("consolidate.md")), HumanMessage(told)]
    found = (await _answer(_Answer, partial(model.ask, prompt, purpose=Purpose.MEMORY, options={"max_tokens": _MAX_TOKENS}))).replaced
    # Numbers that stand for nothing are left out: what else the answer says can still be true.
    return {one.known - 1: one.new - 1 for one in found if one.known <= len(known) and one.new <= len(new)}


async def extracted(model: Asker, system: str, user: str) -> str:
    """Ask for facts in the words given, and give them as JSON that can be relied on; raise as `replaced_by` does."""
    ask = partial(model.ask, [SystemMessage(system), HumanMessage(user)], purpose=Purpose.MEMORY)
    return (await _answer(_Extracted, ask)).model_dump_json()


def replaced_by_rule(known: Sequence[str], new: Sequence[str]) -> Mapping[int, int]:
    """The same without a model: a statement about the same thing takes the place of the older one."""
    return {older: newer for older, known_text in enumerate(known) for newer, new_text in enumerate(new) if replaces(new_text, known_text)}


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(f'{{"number": {number}, "fact": {quoted(text[:_MAX_LENGTH])}}}' for number, text in enumerate(texts, start=1))


async def _answer[A: BaseModel](kind: type[A], ask: Callable[[], Awaitable[BaseMessage]]) -> A:
    """Ask once more when the answer has another form: a model seldom slips twice, and many turns may hang on it."""
    with suppress(ModelBadAnswer):
        return read_answer(kind, (await ask()).text)
    return read_answer(kind, (await ask()).text)
