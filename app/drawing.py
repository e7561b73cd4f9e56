"""Pictures of agents' graphs, without a server, a database or the internet."""

import sys
from pathlib import Path
from typing import Final

from langgraph.checkpoint.memory import InMemorySaver

from app.agent.registry import Agents
from app.errors import AppError

_EXTRA: Final = "drawing"


def mermaid_of(name: str) -> str:
    """The graph with its subgraphs, as `GET agents` tells it; raise UnknownAgent."""
    return Agents(InMemorySaver()).picture(name)


def draw_png(name: str, path: Path) -> None:
    """Raise UnknownAgent, or AppError where Graphviz is not there: LangGraph's other ways ask a browser, or a server on the internet."""
    agents = Agents(InMemorySaver())
    agents.get(name)
    try:
        picture = agents.graph(name).get_graph(xray=True).draw_png(None)
    except ImportError as error:
        raise AppError(
            f"A PNG needs Graphviz, which is not installed: run `make dev EXTRAS={_extras()}`. Without --png the graph is told as Mermaid, "
            "which GitHub and most editors draw."
        ) from error
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise AppError(f"{path} could not be written ({error.strerror}).") from error


def _extras() -> str:
    """With those that are installed: `make` takes a list for the whole of it."""
    kept = Path(sys.prefix, ".extras")
    names = sorted({*(kept.read_text().split() if kept.is_file() else ()), _EXTRA})
    return names[0] if len(names) == 1 else f'"{" ".join(names)}"'
