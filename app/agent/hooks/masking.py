"""Before the model: what tells of a person is put in words that tell nothing, so that no provider sees it.

The transcript and the agent's state keep what was said; each prompt is masked anew on its way out.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage

from app.agent.redaction import without_numbers
from app.llm.calls import Purpose
from app.llm.embedding import Embedder

EMAIL: Final = "[email]"
PHONE: Final = "[phone]"

_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}+@(?:[\w-]{1,63}+\.){1,8}[^\W\d_]{2,24}(?![\w-])")
# As people write them: with a country's code, with a leading zero, or the ten digits of North America. A date is none of these.
_DATE: Final = r"(?!\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})(?![./-]?\d))"
_WITH_COUNTRY: Final = re.compile(r"(?<![\w+.,])\+[1-9]\d{0,2}(?:[ ()./\u00a0-]{0,3}\d){6,13}(?!\w)")
_PHONES: Final = (
    re.compile(r"(?<![\w+.,-])00[1-9]\d{0,2}(?:[ ()./\u00a0-]{0,3}\d){6,12}(?!\w)"),
    re.compile(rf"(?<![\w.,:/-]){_DATE}\(?0[1-9]\d{{0,4}}\)?(?:[ ./\u00a0-]{{1,2}}\d{{2,8}}){{1,5}}(?![\w:])"),
    re.compile(r"(?<![\w.,+-])\(?0[1-9]\d{8,10}(?![\w.,])"),
    re.compile(r"(?<![\w.,+-])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])\d{3}[ .-]\d{4}(?![\w-])"),
)
_DIGITS: Final = range(9, 16)
# Of texts in a prompt, after which others are let speak.
_AT_ONCE: Final = 20


def masked(text: str) -> str:
    """The text without emails, phone numbers, cards, bank accounts, social security numbers and keys of known forms."""
    text = _EMAIL.sub(EMAIL, text) if "@" in text else text
    # First, for one in ten of the longest would pass for a card; the other forms after it, for they may be parts of an account's.
    text = _WITH_COUNTRY.sub(_without_phone, text)
    text = without_numbers(text)
    for form in _PHONES:
        text = form.sub(_without_phone, text)
    return text


class Masking:
    """A Hook."""

    async def before(self, prompt: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        told = list[BaseMessage]()
        for place, message in enumerate(prompt, start=1):
            told.append(_masked(message))
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return told

    async def after(self, answer: AIMessage, purpose: Purpose) -> None: ...


class MaskedEmbedder:
    """An embedder elsewhere, which sees no more than the models do."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.dimensions = embedder.name, embedder.dimensions

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return await self._embedder.embed([*map(masked, texts)])


def _masked(message: BaseMessage) -> BaseMessage:
    changes: dict[str, Any] = {}
    if (content := _content(message.content)) != message.content:
        changes["content"] = content
    if isinstance(message, AIMessage) and (calls := _deep(message.tool_calls)) != message.tool_calls:
        changes["tool_calls"] = calls
    return message.model_copy(update=changes) if changes else message


def _content(content: str | list[Any]) -> str | list[Any]:
    """Thoughts stay as they are: providers sign them."""
    if isinstance(content, str):
        return masked(content)
    return [_part(part) if isinstance(part, dict) else masked(part) for part in content]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    return {name: _deep(value) if name in {"text", "input", "content"} else value for name, value in part.items()}


def _deep(value: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    match value:
        case str():
            return masked(value)
        case list():
            return [_deep(inner) for inner in value]
        case dict():
            # The name of a call and its id are no words of anybody's.
            return {name: inner if name in {"id", "name", "type"} else _deep(inner) for name, inner in value.items()}
        case _:
            return value


def _without_phone(found: re.Match[str]) -> str:
    return PHONE if sum(map(str.isdigit, found[0])) in _DIGITS else found[0]
