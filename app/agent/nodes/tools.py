"""Run one tool that the model asked for; whatever it does, the model gets an answer to its call."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

import structlog
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest, ToolInvocationError
from langgraph.types import Command
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from app import signals
from app.agent.approval import refusal
from app.agent.arguments import why_unfit, why_unfit_for_schema
from app.agent.marks import ToolGone, is_once_only, is_safe_to_repeat, is_to_be_approved, seconds_of
from app.agent.origin import listener_of
from app.agent.safety import why_not
from app.agent.state import AgentContext
from app.crashes import frames
from app.errors import AppError, DatabaseRefused
from app.llm.characters import whole

type _Answer = ToolMessage | Command[Any]
# With what became of the call, as `signals.tool_called` has it.
type _Outcome = tuple[_Answer, str]
type _Execute = Callable[[ToolCallRequest], Awaitable[_Answer]]

_OUTCOME_UNKNOWN: Final = "The server stopped during this call, and it is not repeated. Whether it did anything is not known."

# What is told of a tool that the model has made up, in the place of its name.
_UNKNOWN: Final = "unknown"

_FAILED: Final = "The tool failed. Go on without it, or try something else."
_MOST_TRIES: Final = 3
_pause: Final = wait_random_exponential(multiplier=0.2, max=1)

log = structlog.get_logger()


def tools_node(tools: Sequence[BaseTool]) -> ToolNode:
    async def answered(request: ToolCallRequest, execute: _Execute) -> _Answer:
        return await _answered(request, execute, tools)

    return ToolNode(tools, handle_tool_errors=_in_words, awrap_tool_call=answered)


class _Gone(Exception):
    """Its words are the tool's."""


class _ToolFailed(Exception):
    """For no reason that the tool has words for; the cause is what it raised."""


def _in_words(error: Exception) -> str:
    """What the model is told: a tool's own words where it has some, never another library's."""
    if isinstance(error, ToolInvocationError):
        raise error  # told where the tool is known
    if isinstance(error, ToolGone):
        raise _Gone(str(error)) from error
    if isinstance(error, ToolException):
        return str(error)
    if isinstance(error, AppError) and not isinstance(error, DatabaseRefused):
        raise error  # of the server and not of the tool: a run that is lost, say
    raise _ToolFailed from error


async def _answered(request: ToolCallRequest, execute: _Execute, tools: Sequence[BaseTool]) -> _Answer:
    context, started = cast("AgentContext", request.runtime.context), time.perf_counter()
    answer, outcome = await _become(request, execute, tools, context)
    signals.tool_called(request.tool.name if request.tool else _UNKNOWN, outcome, time.perf_counter() - started)
    if isinstance(answer, ToolMessage):
        listener = listener_of(context, request.runtime.config)
        listener.tool_answered(answer.tool_call_id, request.tool_call["name"], answer.text, is_error=answer.status == "error")
        answer = _cut(_readable(answer), context.tools.result_characters)
    return answer


async def _become(request: ToolCallRequest, execute: _Execute, tools: Sequence[BaseTool], context: AgentContext) -> _Outcome:
    call = request.tool_call
    # Asked first: a step that waits for a person begins anew when it goes on.
    if words := _why_none(request, context, tools):
        return _not_made(request, words), "not_allowed" if request.tool else "unknown"
    if words := why_not(call, request.state["messages"], context.limits):
        return _not_made(request, words), "looping"
    if request.tool and (words := why_unfit_for_schema(call["args"], request.tool)):
        return _not_made(request, words), "unfit"
    if is_to_be_approved(request.tool) and (reason := refusal(call)):
        return _not_made(request, reason), "rejected"
    if is_once_only(request.tool) and not await context.starts.begin(_task_id(request)):
        return _not_made(request, _OUTCOME_UNKNOWN), "not_repeated"
    return await _bounded(request, execute, context)


def _why_none(request: ToolCallRequest, context: AgentContext, tools: Sequence[BaseTool]) -> str | None:
    """Why there is no such tool for it; of the others those are named that it was shown, and no more."""
    if request.tool:
        return context.why_no_tool(request.tool.name)
    names = ", ".join(tool.name for tool in context.usable(tools))
    return f"There is no tool of this name; there are {names}." if names else "There is no tool of this name, nor any other."


async def _bounded(request: ToolCallRequest, execute: _Execute, context: AgentContext) -> _Outcome:
    """Make the call when there is room for one more, all in the time that a tool may take."""
    seconds, is_made = seconds_of(request.tool, context.tools.timeout_seconds), False
    try:
        async with asyncio.timeout(seconds), context.room:
            is_made = True
            return await _made(request, execute)
    except TimeoutError:
        if is_made:
            return _not_made(request, f"The tool gave no answer within {seconds:g} seconds."), "timeout"
        log.warning("tool_found_no_room", tool=request.tool_call["name"])
        return _not_made(request, f"The server is busy with other calls, so this one was not made within {seconds:g} seconds."), "no_room"


async def _made(request: ToolCallRequest, execute: _Execute) -> _Outcome:
    try:
        answer = await _tried(request, execute)
    except _Gone as gone:
        return _not_made(request, str(gone)), "failed"
    except ToolInvocationError as error:
        if words := why_unfit(error, request.tool):
            return _not_made(request, words), "unfit"
        failure: BaseException = error.source
    except _ToolFailed as failed:
        failure = failed.__cause__ or failed
    else:
        return answer, "error" if isinstance(answer, ToolMessage) and answer.status == "error" else "ok"
    log.warning("tool_failed", tool=request.tool_call["name"], error=type(failure).__name__, frames=frames(failure))
    return _not_made(request, _FAILED), "failed"


async def _tried(request: ToolCallRequest, execute: _Execute) -> _Answer:
    """Once, or a few times where that does no harm."""
    if not is_safe_to_repeat(request.tool):
        return await execute(request)
    trying = AsyncRetrying(retry=retry_if_exception_type(_ToolFailed), stop=stop_after_attempt(_MOST_TRIES), wait=_pause, reraise=True)
    return await trying(execute, request)


def _readable(answer: ToolMessage) -> ToolMessage:
    content = whole(answer.content)
    return answer if content == answer.content else answer.model_copy(update={"content": content})


def _cut(answer: ToolMessage, characters: int) -> ToolMessage:
    """What the model is given of it; people have been given all."""
    if (length := len(answer.text)) <= characters:
        return answer
    note = f"[Cut here: {length - characters:,} of {length:,} characters are missing. Ask for less at once if you need them.]"
    return answer.model_copy(update={"content": f"{answer.text[:characters]}\n\n{note}"})


def _not_made(request: ToolCallRequest, words: str) -> ToolMessage:
    return ToolMessage(words, name=request.tool_call["name"], tool_call_id=request.tool_call["id"] or "", status="error")


def _task_id(request: ToolCallRequest) -> str:
    """LangGraph's name for this step and call: the same when the step is made again, be it by another process."""
    return str(request.runtime.config["configurable"]["checkpoint_ns"])
