"""Search the web, as every agent does it."""

from collections.abc import Sequence
from typing import Final

from langchain_core.tools import ToolException, tool
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel

from app.agent.marks import safe_to_repeat
from app.agent.state import AgentContext, AgentState
from app.agent.web import Hit
from app.internet import WebError

MAX_QUERY_LENGTH: Final = 300
MAX_TITLE_LENGTH: Final = 150
MAX_ADDRESS_LENGTH: Final = 300
MAX_EXCERPT_LENGTH: Final = 400


class _Arguments(BaseModel):
    # Left to derive this from the function, LangChain would also put the runtime in: it cannot describe our Protocols, and it would
    # dump the whole state at every call.
    query: str


@safe_to_repeat
@tool(args_schema=_Arguments)
async def web_search(query: str, runtime: ToolRuntime[AgentContext, AgentState]) -> str:
    """Search the web for what you do not know or what may have changed. Returns titles, addresses and excerpts."""
    wanted = query.strip()
    if not 0 < len(wanted) <= MAX_QUERY_LENGTH:
        raise ToolException(f"A web search takes 1 to {MAX_QUERY_LENGTH} characters.")
    try:
        return describe_results(await runtime.context.web.search(wanted))
    except WebError as error:
        raise ToolException(str(error)) from error


def describe_results(results: Sequence[Hit]) -> str:
    """Number the results, each on three short lines, so that no page can pass its text off as another result."""
    return "\n\n".join(
        f"{number}. {_line(result.title, MAX_TITLE_LENGTH)}\n"
        f"   {_line(result.url, MAX_ADDRESS_LENGTH)}\n"
        f"   {_line(result.excerpt, MAX_EXCERPT_LENGTH)}"
        for number, result in enumerate(results, start=1)
    )


def _line(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
