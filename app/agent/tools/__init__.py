"""Every tool the agent may call, one file each; to add one, write it and name it here."""

from typing import Final

from langchain_core.tools import BaseTool

from app.agent.tools.calculator import calculate
from app.agent.tools.clock import current_time
from app.agent.tools.rename_session import rename_session
from app.agent.tools.web_search import web_search

TOOLS: Final[tuple[BaseTool, ...]] = (current_time, calculate, web_search, rename_session)
