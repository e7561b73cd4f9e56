"""One attempt at a run: walk the graph, and say how it went."""

import asyncio
import traceback
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError
from langgraph.types import StateSnapshot

from app.agent.graph import Agent
from app.agent.memory import Memory
from app.agent.state import AgentContext, AgentState
from app.errors import AppError, RunCancelled, RunTimeout, StepLimitReached
from app.llm.models import Model
from app.persistence.values import User
from app.runs.log import RunLog
from app.runs.stream import Story
from app.settings import RunSettings, ToolSettings

FIRST_ATTEMPT = 1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every run of this process works with."""

    memory: Memory
    runs: RunSettings
    tools: ToolSettings


@dataclass(slots=True, kw_only=True, eq=False)
class LiveRun:
    """An attempt at a run that this process makes: the messages `asked_id` and `message_id` are its question and its answer."""

    id: UUID
    session_id: UUID
    asked_id: UUID
    message_id: UUID
    user: User
    model: Model
    text: str
    agent: Agent
    log: RunLog
    story: Story
    walking: bool = True
    stopped_for: AppError = field(default_factory=RunCancelled)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


async def walk(run: LiveRun, means: Means) -> AppError | None:
    """Answer the run's message; return what kept it from being answered. Nothing is raised: this is the boundary."""
    try:
        async with asyncio.timeout(means.runs.timeout_seconds):
            await _walk(run, means)
    except TimeoutError:
        return RunTimeout()
    except asyncio.CancelledError:
        return run.stopped_for
    except GraphRecursionError:
        return StepLimitReached()
    except AppError as error:
        return error
    except Exception as error:  # noqa: BLE001  # the one boundary: a bug ends its run, not the server
        # The frames without the exception's text, which may quote a user.
        log.error("run_crashed", error=type(error).__name__, frames=traceback.format_tb(error.__traceback__)[-5:])  # noqa: TRY400
        return AppError()
    return None


async def _walk(run: LiveRun, means: Means) -> None:
    config, context = _config(run, means), _context(run, means)
    state: AgentState | None = AgentState(messages=[HumanMessage(run.text, id=str(run.id))], memories=[])
    if run.log.attempt > FIRST_ATTEMPT:
        snapshot = await run.agent.aget_state(config)
        if told := _told(snapshot, run):
            _retell(told, run.story)
            # Not `next`: it leaves out a step that was done but not checkpointed, and all that should follow it.
            if not snapshot.tasks:
                return
            state = None  # go on from the checkpoint
    await run.agent.ainvoke(state, config, context=context, durability="async")


def _told(snapshot: StateSnapshot, run: LiveRun) -> list[object]:
    """What the checkpoint has of this run: its question and all after it; empty when the question never got there."""
    messages = snapshot.values.get("messages", [])
    ids = [message.id for message in messages]
    return messages[ids.index(str(run.id)) :] if str(run.id) in ids else []


def _retell(messages: list[object], story: Story) -> None:
    """Tell the readers again what an earlier attempt had said in steps that are finished."""
    for message in messages:
        match message:
            case AIMessage():
                if message.usage_metadata:
                    story.used(message.usage_metadata)
                if message.text:
                    story.token(message.text)
                for call in message.tool_calls:
                    story.tool_called(call["id"] or "", call["name"], call["args"])
            case ToolMessage():
                story.tool_answered(message.tool_call_id, message.name or "", message.text, is_error=message.status == "error")


def _config(run: LiveRun, means: Means) -> RunnableConfig:
    return {"configurable": {"thread_id": str(run.session_id)}, "recursion_limit": means.runs.max_steps, "run_id": run.id}


def _context(run: LiveRun, means: Means) -> AgentContext:
    return AgentContext(
        user_id=str(run.user.id),
        user_name=run.user.email.partition("@")[0],
        session_id=str(run.session_id),
        model=run.model.chat,
        memory=means.memory,
        listener=run.story,
        tools=means.tools,
    )
