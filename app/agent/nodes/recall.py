"""Ask the long-term memory what it knows that fits the user's message."""

from collections.abc import Sequence

from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.runtime import Runtime

from app.agent.state import AgentContext, AgentState, AgentUpdate


async def recall(state: AgentState, runtime: Runtime[AgentContext]) -> AgentUpdate:
    return {"memories": await recalled(runtime.context, state["messages"])}


async def recalled(context: AgentContext, messages: Sequence[AnyMessage]) -> list[str]:
    """What fits the last thing the user said; the listener is told of it."""
    asked = next((message.text for message in reversed(messages) if isinstance(message, HumanMessage)), "")
    memories = [*await context.memory.recall(context.user_id, asked)] if context.memory else []
    if memories:
        context.listener.remembered(memories)
    return memories
