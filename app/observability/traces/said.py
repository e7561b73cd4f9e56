"""What of a conversation a trace holds, where text is traced at all: no more than a person would read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from app.observability.traces.span import Said

_MOST_CHARACTERS: Final = 20_000
_MOST_ENTRIES: Final = 200
_MOST_DEPTH: Final = 20
_LEFT_OUT: Final = "(Older messages are left out.)"
_ROLES: Final = {"human": "user", "ai": "assistant"}


def prompt_said(prompt: Sequence[BaseMessage]) -> Said:
    """What the model was sent: instructions, then the latest messages that there is room for."""
    if not prompt:
        return []
    first, *rest = [_message(message) for message in (prompt[0], *prompt[1:][-_MOST_ENTRIES:])]
    left, told = _MOST_CHARACTERS, list[Said]()
    for message in reversed(rest):
        left -= len(str(message["content"]))
        if left < 0 and told:
            break
        told.append(message)
    is_whole = len(told) == len(prompt) - 1
    older: list[Said] = [] if is_whole else [{"role": "system", "content": _LEFT_OUT}]
    return [first, *older, *reversed(told)]


def answer_said(answer: AIMessage) -> Said:
    return _message(answer)


def value_said(value: object, depth: int = 0) -> Said:
    """A value of any shape in words: arguments of a tool, say."""
    if depth > _MOST_DEPTH:
        return "…"
    match value:
        case str():
            return cut(value)
        case ToolMessage():
            return cut(value.text)
        case Mapping():
            return {str(name): value_said(inner, depth + 1) for name, inner in _some(value.items())}
        case list() | tuple():
            return [value_said(inner, depth + 1) for inner in _some(value)]
        case _:
            return cut(str(value))


def cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def masked_said(said: Said, mask: Callable[[str], str]) -> Said:
    """The same with each text masked; the names in it are ours."""
    match said:
        case str():
            return mask(said)
        case list():
            return [masked_said(inner, mask) for inner in said]
        case _:
            return {name: masked_said(inner, mask) for name, inner in said.items()}


def _message(message: BaseMessage) -> dict[str, Said]:
    """Without the bytes of what was attached, and without the provider's own marks."""
    told: dict[str, Said] = {"role": _ROLES.get(message.type, message.type), "content": cut(message.text)}
    if isinstance(message, AIMessage) and message.tool_calls:
        told["tool_calls"] = [{"name": call["name"], "args": value_said(call["args"])} for call in message.tool_calls]
    return told


def _some[Entry](entries: Iterable[Entry]) -> list[Entry]:
    return [entry for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False)]
