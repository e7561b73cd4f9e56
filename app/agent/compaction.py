"""How much of a conversation a model is to read, and where it is cut when it has outgrown that.

What a text comes to is estimated from its bytes: exact enough for a budget of half a window, and less than a microsecond a message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from app.llm.attachments import references, tokens_of
from app.llm.catalog import ModelSpec
from app.settings import ContextSettings
from app.text import BYTES_PER_TOKEN

_TOKENS_AROUND: Final = 4  # what a provider puts around each message
_KEPT_SHARE: Final = 0.5  # so that it is long until the next time


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of a conversation is kept word for word."""

    tokens: float
    messages: float

    @classmethod
    def of(cls, settings: ContextSettings, model: ModelSpec) -> Self:
        """Beyond these it is compacted."""
        return cls(tokens=settings.share * window(settings, model), messages=settings.messages)

    @classmethod
    def last(cls, settings: ContextSettings, model: ModelSpec) -> Self:
        """Beyond these it is cut, be it that nobody can sum it up: what is left of the window is for instructions and answer."""
        return cls(tokens=(1 + settings.share) / 2 * window(settings, model), messages=2 * settings.messages)

    def hold(self, messages: Sequence[AnyMessage]) -> bool:
        return len(messages) <= self.messages and sum(map(tokens, messages)) <= self.tokens


def window(settings: ContextSettings, model: ModelSpec) -> int:
    return model.context_window or settings.window


def tokens(message: AnyMessage) -> int:
    """About what the message comes to."""
    text, attached = (message.content, 0) if isinstance(message.content, str) else (message.text, sum(map(tokens_of, references(message))))
    size = len(text) if text.isascii() else len(text.encode(errors="replace"))  # the first is known without a look at the text
    if isinstance(message, AIMessage) and message.tool_calls:
        size += sum(len(call["name"]) + len(str(call["args"])) for call in message.tool_calls)
    return _TOKENS_AROUND + attached + size // BYTES_PER_TOKEN


def place_to_cut(messages: Sequence[AnyMessage], bounds: Bounds) -> int:
    """Where the recent turns begin that fit into half of the bounds, 0 when there is nothing before them.

    Only whole turns are cut off, so a call is never parted from its result; the last turn stays, however long it is.
    """
    cut, size = len(messages), 0
    for place in range(len(messages) - 1, -1, -1):
        size += tokens(messages[place])
        if isinstance(messages[place], HumanMessage):
            fits = size <= bounds.tokens * _KEPT_SHARE and len(messages) - place <= bounds.messages * _KEPT_SHARE
            if cut < len(messages) and not fits:
                break
            cut = place
    return cut % len(messages)
