"""The researcher as a picture: nodes and edges, no logic."""

from collections.abc import Sequence

from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph

from app.agent.nodes.compact import compact
from app.agent.prompts import check_prompt
from app.agent.researcher.agree import agree
from app.agent.researcher.critic import critic
from app.agent.researcher.plan import plan
from app.agent.researcher.routes import after_critic, to_agree, to_critic, to_note, to_plan, to_read, to_workers
from app.agent.researcher.state import Found, ResearcherState, Task, WorkerState
from app.agent.researcher.worker import note, read, search
from app.agent.researcher.write import write
from app.agent.spec import AgentGraph
from app.agent.state import AgentContext


def build_researcher(checkpointer: BaseCheckpointSaver[str], tools: Sequence[BaseTool]) -> AgentGraph:  # noqa: ARG001  # it calls none
    check_prompt("research_plan.md", more={"most"})
    check_prompt("research_write.md", more={"notes", "again"})
    graph = StateGraph(ResearcherState, context_schema=AgentContext)
    graph.add_node("compact", compact)
    graph.add_node("plan", plan)
    graph.add_node("agree", agree)
    graph.add_node("worker", _worker())
    graph.add_node("write", write)
    graph.add_node("critic", critic)
    graph.add_conditional_edges(START, to_plan, ["compact", "plan"])
    graph.add_edge("compact", "plan")
    graph.add_conditional_edges("plan", to_agree, ["agree", "worker", "write"])
    graph.add_conditional_edges("agree", to_workers, ["worker", "write"])
    graph.add_edge("worker", "write")
    graph.add_conditional_edges("write", to_critic, ["critic", END])
    graph.add_conditional_edges("critic", after_critic, ["write", END])
    return graph.compile(checkpointer=checkpointer, name="researcher")


def _worker() -> AgentGraph:
    """Its checkpoints are kept where the researcher's are, each worker's in a namespace of its own."""
    graph = StateGraph(WorkerState, context_schema=AgentContext, input_schema=Task, output_schema=Found)
    graph.add_node("search", search)
    graph.add_node("read", read)
    graph.add_node("note", note)
    graph.add_edge(START, "search")
    graph.add_conditional_edges("search", to_read, ["read", END])
    graph.add_conditional_edges("read", to_note, ["note", END])
    graph.add_edge("note", END)
    return graph.compile(name="worker")
