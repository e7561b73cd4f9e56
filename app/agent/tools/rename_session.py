"""Give the conversation another name, if its user agrees."""

from typing import Annotated, Final, cast
from uuid import UUID

from langchain_core.tools import ToolException, tool
from langgraph.prebuilt import ToolRuntime

from app.agent.state import AgentContext
from app.agent.tools.marks import needs_approval

_MAX_NAME_LENGTH: Final = 100


@needs_approval
@tool
async def rename_session(name: Annotated[str, "The new name, a few words"], runtime: ToolRuntime) -> str:
    """Rename this conversation. The user is asked first, so call it without asking yourself."""
    name = " ".join(name.split())
    if not 0 < len(name) <= _MAX_NAME_LENGTH:
        raise ToolException(f"A name has 1 to {_MAX_NAME_LENGTH} characters.")
    context = cast("AgentContext", runtime.context)  # named in the signature, pydantic would want to check it
    await context.names.rename(UUID(context.session_id), name)
    return f"The conversation is now called “{name}”."
