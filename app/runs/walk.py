"""One attempt at a run: walk the graph, and say how it went."""

import asyncio
import traceback
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError

from app.agent.graph import Agent
from app.agent.memory import Memory
from app.agent.state import AgentContext, AgentState
from app.errors import AppError, RunCancelled, RunTimeout, StepLimitReached
from app.llm.models import Model, Models
from app.persistence.values import RunStatus, User
from app.runs.log import RunLog
from app.runs.stream import Story
from app.settings import RunSettings, ToolSettings

FIRST_ATTEMPT: Final = 1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every run of this process works with."""

    agent: Agent
    models: Models
    memory: Memory
    runs: RunSettings
    tools: ToolSettings


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """A run that this process works on: the messages `asked_id` and `message_id` are its question and its answer.

    `status` and `error` say how it went once `ended` is set.
    """

    id: UUID
    session_id: UUID
    asked_id: UUID
    message_id: UUID
    user: User
    model: Model
    text: str
    log: RunLog
    story: Story
    status: RunStatus = RunStatus.RUNNING
    error: AppError | None = None
    stopped_for: AppError = field(default_factory=RunCancelled)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


async def walk(run: Run, means: Means) -> AppError | None:
    """Answer the run's message; return what kept it from being answered. Nothing is raised: this is the boundary."""
    try:
        async with asyncio.timeout(means.runs.timeout_seconds):
            await means.agent.ainvoke(_input(run), _config(run, means), context=_context(run, means), durability="async")
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


def _input(run: Run) -> AgentState:
    return AgentState(messages=[HumanMessage(run.text, id=str(run.id))], memories=[])


def _config(run: Run, means: Means) -> RunnableConfig:
    return {"configurable": {"thread_id": str(run.session_id)}, "recursion_limit": means.runs.max_steps, "run_id": run.id}


def _context(run: Run, means: Means) -> AgentContext:
    return AgentContext(
        user_id=str(run.user.id),
        user_name=run.user.email.partition("@")[0],
        session_id=str(run.session_id),
        model=run.model.chat,
        memory=means.memory,
        listener=run.story,
        tools=means.tools,
    )
