"""Pictures of agents' graphs, without a server, a database or the internet."""

from pathlib import Path

from langgraph.checkpoint.memory import InMemorySaver

from app.agent.registry import Agents
from app.errors import AppError


def mermaid_of(name: str) -> str:
    """The graph with its subgraphs, as `GET agents` tells it; raise UnknownAgent."""
    return Agents(InMemorySaver()).picture(name)


def draw_png(name: str, path: Path) -> None:
    """Raise UnknownAgent, or AppError where Graphviz is not there: LangGraph's other way asks a server on the internet to draw."""
    agents = Agents(InMemorySaver())
    agents.get(name)
    try:
        agents.graph(name).get_graph(xray=True).draw_png(str(path))
    except ImportError as error:
        raise AppError(
            "A PNG needs Graphviz and the Python package pygraphviz, which are not here. Without --png the graph is told as Mermaid, "
            "which GitHub and most editors draw."
        ) from error
