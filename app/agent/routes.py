"""Where the graph goes next. Async, for LangGraph would send a plain function to a thread."""

from collections.abc import Sequence
from typing import Literal

from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime
from langgraph.types import Send

from app.agent.compaction import Bounds, place_to_cut
from app.agent.state import AgentContext, AgentState


async def to_recall(state: AgentState, runtime: Runtime[AgentContext]) -> Literal["recall", "compact", "respond"]:
    """A step more, and its checkpoint, only where there is something to recall."""
    return "recall" if runtime.context.memory else await to_answer(state, runtime)


async def to_answer(state: AgentState, runtime: Runtime[AgentContext]) -> Literal["compact", "respond"]:
    """By way of a summary once the conversation has outgrown its bounds, and has a turn that can be folded into it."""
    messages, context = state["messages"], runtime.context
    bounds = Bounds.of(context.bounds, context.model.spec())
    return "respond" if bounds.hold(messages) or place_to_cut(messages, bounds) == 0 else "compact"


async def to_tools(state: AgentState) -> Sequence[Send] | Literal["__end__"]:
    """A step for each call: one may wait for a person, and those that have answered are kept and not made again."""
    last = state["messages"][-1]
    calls = last.tool_calls if isinstance(last, AIMessage) else []
    return [Send("tools", [{**call, "type": "tool_call"}]) for call in calls] or "__end__"
