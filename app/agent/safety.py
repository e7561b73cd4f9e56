"""When a call of a tool is not made although the model asks for it: it has been made too often, or too much was called already.

Each function looks at the conversation and says what the model is told instead; None lets the call be made.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall

from app.agent.config import Limits

# The third time the same call is asked for, its result is not going to be another one.
_SAME_CALLS: Final = 2
# After the one that asks for it: its own, that of the answer that reads the result, and the last, which LangGraph does not give.
_STEPS_OF_A_CALL: Final = 3


def why_not(call: ToolCall, messages: Sequence[AnyMessage], limits: Limits) -> str | None:
    before = [*_called_before(call, messages)]
    if len(before) >= limits.tool_calls:
        return f"No more than {limits.tool_calls} tools may be called for one message, so this one was not. Answer with what you have."
    if sum(_is_same(call, other) for other in before) >= _SAME_CALLS:
        return f"This very call was made {_SAME_CALLS} times for this message. Do not make it again: its results stand above."
    return None


def must_answer(messages: Sequence[AnyMessage], limits: Limits, remaining_steps: int | None) -> bool:
    """Whether the model is to answer now, without tools: there is no room for another call."""
    if remaining_steps is not None and remaining_steps < _STEPS_OF_A_CALL:
        return True
    return sum(1 for _ in _calls(messages)) >= limits.tool_calls


def _called_before(call: ToolCall, messages: Sequence[AnyMessage]) -> Iterator[ToolCall]:
    """The calls for the last message that came before this one; those beside it in the same answer are in their order."""
    calls = [*_calls(messages)]
    place = next((place for place in range(len(calls) - 1, -1, -1) if calls[place]["id"] == call["id"]), len(calls))
    return iter(calls[:place])


def _calls(messages: Sequence[AnyMessage]) -> Iterator[ToolCall]:
    """All that were asked for since the user said something, the first first."""
    begin = max((place for place, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    for message in messages[begin + 1 :]:
        if isinstance(message, AIMessage):
            yield from message.tool_calls


def _is_same(call: ToolCall, other: ToolCall) -> bool:
    return _what(call) == _what(other)


def _what(call: ToolCall) -> tuple[str, dict[str, Any]]:
    return call["name"], call["args"]
