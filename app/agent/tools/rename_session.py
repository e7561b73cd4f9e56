"""Give the conversation another name, if its user agrees."""

from typing import Final
from uuid import UUID

from langchain_core.tools import ToolException, tool
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel

from app.agent.marks import needs_approval
from app.agent.state import AgentContext, AgentState

_MAX_NAME_LENGTH: Final = 100


class _Arguments(BaseModel):
    # As in web_search: without the runtime.
    name: str


@needs_approval
@tool(args_schema=_Arguments)
async def rename_session(name: str, runtime: ToolRuntime[AgentContext, AgentState]) -> str:
    """Rename this conversation, in a few words. The user is asked first, so call it without asking yourself."""
    name = " ".join(name.split())
    if not 0 < len(name) <= _MAX_NAME_LENGTH:
        raise ToolException(f"A name has 1 to {_MAX_NAME_LENGTH} characters.")
    await runtime.context.names.rename(UUID(runtime.context.session_id), name)
    return f"The conversation is now called “{name}”."
