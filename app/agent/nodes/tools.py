"""Run the tools the model asked for; whatever a tool does, the model gets an answer to its call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import structlog
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest, ToolInvocationError
from langgraph.types import Command

from app.agent.state import AgentContext

type _Answer = ToolMessage | Command[Any]

log = structlog.get_logger()


def tools_node(tools: Sequence[BaseTool]) -> ToolNode:
    return ToolNode(tools, handle_tool_errors=_in_words, awrap_tool_call=_bounded)


def _in_words(error: Exception) -> str:
    """What the model is told: a tool's own words where it has some, never another library's."""
    if isinstance(error, ToolException | ToolInvocationError):
        return str(error)
    log.warning("tool_failed", error=type(error).__name__)
    return "The tool failed. Go on without it, or try something else."


async def _bounded(request: ToolCallRequest, execute: Callable[[ToolCallRequest], Awaitable[_Answer]]) -> _Answer:
    context = cast("AgentContext", request.runtime.context)
    call = request.tool_call
    try:
        async with asyncio.timeout(context.tools.timeout_seconds):
            answer = await execute(request)
    except TimeoutError:
        words = f"The tool gave no answer within {context.tools.timeout_seconds:g} seconds."
        answer = ToolMessage(words, name=call["name"], tool_call_id=call["id"], status="error")
    if isinstance(answer, ToolMessage):
        context.listener.tool_answered(answer.tool_call_id, call["name"], answer.text, is_error=answer.status == "error")
    return answer
