"""The assistant as a picture: nodes and edges, no logic."""

from collections.abc import Sequence

from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph

from app.agent.nodes.compact import compact
from app.agent.nodes.recall import recall
from app.agent.nodes.respond import respond_node
from app.agent.nodes.tools import tools_node
from app.agent.routes import to_answer, to_recall, to_tools
from app.agent.spec import AgentGraph
from app.agent.state import AgentContext, AgentState


def build_assistant(checkpointer: BaseCheckpointSaver[str], tools: Sequence[BaseTool]) -> AgentGraph:
    graph = StateGraph(AgentState, context_schema=AgentContext)
    graph.add_node("recall", recall)
    graph.add_node("compact", compact)
    graph.add_node("respond", respond_node(tools))
    graph.add_node("tools", tools_node(tools))
    graph.add_conditional_edges(START, to_recall, ["recall", "compact", "respond"])
    graph.add_conditional_edges("recall", to_answer, ["compact", "respond"])
    graph.add_edge("compact", "respond")
    graph.add_conditional_edges("respond", to_tools, ["tools", END])
    graph.add_edge("tools", "respond")
    return graph.compile(checkpointer=checkpointer, name="assistant")
