"""What a model thought aloud, in whatever form its provider tells it."""

from collections.abc import Iterator
from typing import Any, Final

from langchain_core.messages import AIMessage

_PARAGRAPH: Final = "\n\n"


def thoughts_of(message: AIMessage) -> str:
    """The reasoning in a message or in a piece of one.

    Servers that speak OpenAI's chat completions send it beside the content, as `reasoning_content`; Anthropic and Google as blocks of
    thinking; OpenAI's Responses API as a summary in parts.
    """
    beside = message.additional_kwargs.get("reasoning_content")
    told = [beside] if isinstance(beside, str) else []
    if not isinstance(message.content, str):
        told += [thought for block in message.content if isinstance(block, dict) for thought in _of_block(block)]
    return "".join(told)


def _of_block(block: dict[str, Any]) -> Iterator[str]:
    match block:
        case {"type": "thinking", "thinking": str(thought)}:
            yield thought
        case {"type": "reasoning", "reasoning": str(thought)}:
            yield thought
        case {"type": "reasoning", "summary": [*parts]}:
            for place, part in enumerate(parts):
                # In a stream a part of its own opens each later paragraph; in a whole message they stand side by side.
                opens = place or (part.get("index") and not part.get("text"))
                yield (_PARAGRAPH if opens else "") + part.get("text", "")
