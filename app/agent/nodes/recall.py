"""Ask the long-term memory what it knows that fits the user's message."""

from langgraph.runtime import Runtime

from app.agent.state import AgentContext, AgentState, AgentUpdate


async def recall(state: AgentState, runtime: Runtime[AgentContext]) -> AgentUpdate:
    context = runtime.context
    if context.memory is None:  # taken away since an earlier attempt came here
        return {"memories": []}
    memories = [*await context.memory.recall(context.user_id, state["messages"][-1].text)]
    if memories:
        context.listener.remembered(memories)
    return {"memories": memories}
