"""Where the graph goes next."""

from collections.abc import Sequence
from typing import Literal

from langchain_core.messages import AIMessage
from langgraph.types import Send

from app.agent.state import AgentState


def to_tools(state: AgentState) -> Sequence[Send] | Literal["__end__"]:
    """A step for each call: one may wait for a person, and those that have answered are kept and not made again."""
    last = state["messages"][-1]
    calls = last.tool_calls if isinstance(last, AIMessage) else []
    return [Send("tools", [{**call, "type": "tool_call"}]) for call in calls] or "__end__"
