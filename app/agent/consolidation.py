"""Which of the known facts about a user are no longer true, now that new ones are known."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, Field

from app.agent.json_answers import read_answer
from app.agent.prompts import prompt_text, quoted
from app.agent.statements import subject
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

    One question to the model for all of them; raise what the model raises, and ModelBadAnswer for an answer of another form.
    """
    told = f"<known>\n{_lines(known)}\n</known>\n<new>\n{_lines(new)}\n</new>"
    prompt = [SystemMessage(prompt_text("consolidate.md")), HumanMessage(told)]
    said = await model.ask(prompt, purpose=Purpose.MEMORY, options={"max_tokens": _MAX_TOKENS})
    found = read_answer(_Answer, said.text).replaced
    # Numbers that stand for nothing are left out: what else the answer says can still be true.
    return {one.known - 1: one.new - 1 for one in found if one.known <= len(known) and one.new <= len(new)}


async def extracted(model: Asker, system: str, user: str) -> str:
    """Ask for facts in the words given, and give them as JSON that can be relied on; raise as `replaced_by` does."""
    said = await model.ask([SystemMessage(system), HumanMessage(user)], purpose=Purpose.MEMORY)
    return read_answer(_Extracted, said.text).model_dump_json()


def replaced_by_rule(known: Sequence[str], new: Sequence[str]) -> Mapping[int, int]:
    """The same without a model: a statement about the same thing takes the place of the older one."""
    newest = {subject(text): place for place, text in enumerate(new)}
    return {place: newest[about] for place, text in enumerate(known) if (about := subject(text)) in newest}


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(f'{{"number": {number}, "fact": {quoted(text[:_MAX_LENGTH])}}}' for number, text in enumerate(texts, start=1))
