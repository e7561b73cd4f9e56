"""Repairs to a conversation before a model reads it."""

from collections.abc import Iterator, Sequence

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

_UNKNOWN = "This call was cut off; whether it did anything is not known."


def with_every_call_answered(messages: Sequence[AnyMessage]) -> Iterator[AnyMessage]:
    """Follow each tool call that has no result with a made-up one.

    A stop, crash or error between a call and its result leaves such a call behind, and a provider refuses every later turn
    because of it (langgraph #6726).
    """
    answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    for message in messages:
        yield message
        if isinstance(message, AIMessage):
            for call in message.tool_calls:
                if call["id"] not in answered:
                    yield ToolMessage(_UNKNOWN, name=call["name"], tool_call_id=call["id"], status="error")
