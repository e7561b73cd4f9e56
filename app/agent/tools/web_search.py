"""Search the web through ddgs, which asks several search engines; it is synchronous and loads itself at the first search."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Final

from anyio import to_thread
from ddgs import DDGS
from ddgs.exceptions import DDGSException
from langchain_core.tools import ToolException, tool
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel

from app.agent.marks import safe_to_repeat
from app.agent.state import AgentContext, AgentState

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
    settings = runtime.context.tools
    wanted = query.strip()
    if not 0 < len(wanted) <= MAX_QUERY_LENGTH:
        raise ToolException(f"A web search takes 1 to {MAX_QUERY_LENGTH} characters.")
    try:
        async with asyncio.timeout(settings.search_seconds):
            results = await to_thread.run_sync(_search, wanted, settings.search_results, settings.search_seconds, abandon_on_cancel=True)
    except TimeoutError as error:
        raise ToolException("The web search took too long.") from error
    except DDGSException as error:
        raise ToolException("The web search found nothing, or no search engine can be reached.") from error
    return describe_results(results[: settings.search_results])


def describe_results(results: Sequence[Mapping[str, str]]) -> str:
    """Number the results, each on three short lines, so that no page can pass its text off as another result."""
    return "\n\n".join(
        f"{number}. {_line(result.get('title', ''), MAX_TITLE_LENGTH)}\n"
        f"   {_line(result.get('href', ''), MAX_ADDRESS_LENGTH)}\n"
        f"   {_line(result.get('body', ''), MAX_EXCERPT_LENGTH)}"
        for number, result in enumerate(results, start=1)
    )


def _search(query: str, count: int, seconds: float) -> list[dict[str, str]]:
    # A thread cannot be cancelled. Half the time for each engine lets a second one answer, and ends a thread that was given up soon.
    return DDGS(timeout=math.ceil(seconds / 2)).text(query, max_results=count)


def _line(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
