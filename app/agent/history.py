"""Repairs to a conversation before a model reads it."""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langgraph.types import PregelTask

from app.agent.approval import WITHDRAWN, asked_call

_UNKNOWN = "This call was cut off; whether it did anything is not known."


def with_every_call_answered(messages: Sequence[AnyMessage]) -> Iterator[AnyMessage]:
    """Follow each tool call that has no result with a made-up one.

    A stop, crash or error between a call and its result leaves such a call behind, and a provider refuses every later turn
    because of it (langgraph #6726).
    """
    for place, message in enumerate(messages):
        yield message
        if isinstance(message, AIMessage) and message.tool_calls:
            # Only what follows at once counts: some providers number their calls anew in each answer.
            following = takewhile(lambda later: isinstance(later, ToolMessage), islice(messages, place + 1, None))
            answered = {answer.tool_call_id for answer in following if isinstance(answer, ToolMessage)}
            yield from (_cut_off(call) for call in message.tool_calls if call["id"] not in answered)


def closing(tasks: Sequence[PregelTask], *, waited: bool) -> list[AnyMessage]:
    """The answers of tools whose run ended before they were heard; and if it `waited` for a person, that those calls were not made."""
    answers: list[AnyMessage] = []
    for task in tasks:
        if isinstance(task.result, dict):
            answers += task.result.get("messages", [])
        elif waited:
            asked = filter(None, (asked_call(question.value) for question in task.interrupts))
            answers += [ToolMessage(WITHDRAWN, name=call["tool"], tool_call_id=call["call_id"], status="error") for call in asked]
    return answers


def _cut_off(call: ToolCall) -> ToolMessage:
    return ToolMessage(_UNKNOWN, name=call["name"], tool_call_id=call["id"] or "", status="error")
