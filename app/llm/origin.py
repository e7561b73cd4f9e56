"""Answers of one model as another may read them: what only their own provider understands is left out.

An answer with thoughts or tool calls in blocks goes back to the model that gave it as it was: Anthropic demands its signed thoughts
within a turn, OpenAI its sealed ones. Any other model gets its text and its tool calls.
"""

from collections.abc import Sequence
from typing import Final

from langchain_core.messages import AIMessage, BaseMessage

from app.llm.catalog import ModelSpec

_ORIGIN: Final = "milepost_origin"


def sign(answer: AIMessage, spec: ModelSpec) -> None:
    """Write down who gave the answer, if only they can read all of it."""
    if not isinstance(answer.content, str):
        answer.response_metadata[_ORIGIN] = _origin(spec)


def readable_by(spec: ModelSpec, prompt: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
    origin = _origin(spec)
    return [_plain(message) if _is_foreign(message, origin) else message for message in prompt]


def _is_foreign(message: BaseMessage, origin: str) -> bool:
    return isinstance(message, AIMessage) and not isinstance(message.content, str) and message.response_metadata.get(_ORIGIN) != origin


def _plain(message: BaseMessage) -> AIMessage:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return AIMessage(content=str(message.text), tool_calls=calls, id=message.id)


def _origin(spec: ModelSpec) -> str:
    # Not the name: an entry may come to mean another model while sessions live on.
    return f"{spec.provider}/{spec.api}/{spec.id_at_provider}"
