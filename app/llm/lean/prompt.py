"""The conversation as chat completions want it, as ChatOpenAI puts it."""

from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

# What ChatOpenAI looks for beside the text.
_BESIDE: Final = frozenset({"name", "tool_calls", "function_call", "audio"})


def plain(message: BaseMessage) -> dict[str, Any] | None:
    """A message of text alone; None for any other, which is left to ChatOpenAI.

    That looks for sounds in an answer, character by character if it is a text, and so takes longer than all else for a long conversation.
    """
    if not isinstance(message.content, str) or message.name is not None or not _BESIDE.isdisjoint(message.additional_kwargs):
        return None
    if isinstance(message, HumanMessage):
        return {"content": message.content, "role": "user"}
    if isinstance(message, AIMessage) and not message.tool_calls and not message.invalid_tool_calls:
        return {"content": message.content, "role": "assistant"}
    return None
