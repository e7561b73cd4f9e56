"""One attempt at a run: walk the graph, and say how it went."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import UUID

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained, GraphRecursionError
from langgraph.runtime import RunControl
from langgraph.types import Command, Interrupt

from app.agent.history import closing
from app.agent.memory import Memory
from app.agent.prompts import ServedPrompts, no_served_prompts
from app.agent.registry import Agents
from app.agent.spec import Agent, AgentGraph, Recount
from app.agent.state import AgentContext, AgentState, CallStarts, SessionNames
from app.agent.web import Web
from app.crashes import log_crash
from app.errors import AppError, AttemptsExhausted, RunCancelled, RunTimeout, ServerStopping, StepLimitReached
from app.llm.asking import Asker
from app.llm.attachments import reference
from app.llm.response_cache import ResponseCache
from app.persistence.values import Question, RunStatus, TakenRun
from app.runs.events import Remembered
from app.runs.log import RunLog
from app.runs.quotas import Watch
from app.runs.recalling import recalling
from app.runs.retelling import retell
from app.runs.stream import Story
from app.runs.tracing import RunTrace, Tracing
from app.settings import ContextSettings, RunSettings, ToolSettings
from app.text import storable_values

FIRST_ATTEMPT: Final = 1
# After a turn that ended so, nothing is left to close.
_CLOSED: Final = (None, RunStatus.COMPLETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every run of this process works with; without a `memory` nothing is recalled, and calls of tools are made in the `room`.

    `prompts` are served from elsewhere, `tracing` watches each run, and `logs_text` has what was said in the line of its end.
    """

    agents: Agents
    memory: Memory | None
    names: SessionNames
    runs: RunSettings
    tools: ToolSettings
    web: Web
    context: ContextSettings
    room: AbstractAsyncContextManager[None]
    cache: ResponseCache | None = None
    prompts: ServedPrompts = no_served_prompts
    tracing: Tracing | None = None
    logs_text: bool = False


class Place(Protocol):
    @property
    def latest(self) -> str | None:
        """LangGraph's checkpoint at which the attempt is, None at the beginning of a conversation."""
        ...

    async def flush(self) -> None:
        """Write the checkpoints that are not written yet; raise an AppError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What one attempt works with: an agent whose checkpoints carry the attempt, and where it is."""

    agent: AgentGraph
    place: Place
    starts: CallStarts


@dataclass(slots=True, kw_only=True, eq=False)
class LiveRun:
    """An attempt at a run that this process makes; of `tools` None is all, else the names of those that the user's tier may have."""

    taken: TakenRun
    asker: Asker
    bench: Bench
    log: RunLog
    story: Story
    walking: bool = True
    watch: Watch | None = None
    tools: frozenset[str] | None = None
    questions: Sequence[Question] = ()
    stopped_for: AppError | None = None
    control: RunControl = field(default_factory=RunControl)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    trace: RunTrace | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> UUID:
        return self.taken.id

    @property
    def session_id(self) -> UUID:
        return self.taken.session_id


async def walk(run: LiveRun, means: Means) -> AppError | None:  # noqa: PLR0911  # a line for each way to end
    """Answer the run's message; return what kept it from being answered. Nothing is raised: this is the boundary.

    When the agent asks people something, the run has `questions`.
    """
    try:
        agent = means.agents.get(run.taken.agent)
        async with asyncio.timeout(_seconds(agent, means)), _memory(run, agent, means) as memory:
            await _walk(run, agent, means, memory)
    except TimeoutError:
        return RunTimeout()
    except asyncio.CancelledError:
        return run.stopped_for or RunCancelled()
    except GraphDrained:
        return ServerStopping()
    except GraphRecursionError:
        return StepLimitReached()
    except AppError as error:
        return error
    except Exception as error:  # noqa: BLE001  # the one boundary: a bug ends its run, not the server
        log_crash("run_crashed", error)
        return AppError()
    return None


@asynccontextmanager
async def _memory(run: LiveRun, agent: Agent, means: Means) -> AsyncGenerator[Memory | None]:
    """The one that the agent asks; what it will ask for it is asked for now, if it is to be seen."""
    memory, taken = means.memory, run.taken
    if not (memory and taken.recalls):
        yield None
        return
    memory = run.trace.recalling(memory) if run.trace else memory
    if taken.answers is not None or Remembered.type not in agent.events:
        yield memory
    else:
        async with recalling(memory, str(taken.user.id), taken.text) as begun:
            yield begun


async def _walk(run: LiveRun, agent: Agent, means: Means, memory: Memory | None) -> None:
    graph, config = run.bench.agent, _config(run, most := min(means.runs.max_steps, agent.limits.steps))
    too_often = run.taken.crashes - means.runs.max_attempts
    if too_often > 0:  # not even telling again what was said may be what they died of
        raise AttemptsExhausted
    state: AgentState | Command[Any] | None = None
    begun = run.taken.checkpoint or run.taken.replays
    # Go on from where an earlier attempt has come, or another run had.
    made = await retell(graph, config, run.taken, run.story, agent.recount) if begun else 0
    if made is None:
        return
    if too_often == 0:
        raise AttemptsExhausted  # and yet what was said is kept, and what was paid
    if not begun:
        state = await _beginning(run, config, agent.recount)
    run.asker.paid(run.story.calls)
    config["recursion_limit"] = max(1, most - made)  # LangGraph takes no less
    async with asyncio.timeout(_seconds(agent, means) - run.taken.spent_seconds):
        context = _context(run, agent, means, memory)
        result = await graph.ainvoke(state, config, context=context, durability="async", control=run.control, version="v2")
    run.questions = [_question(question) for question in result.interrupts]


def _seconds(agent: Agent, means: Means) -> float:
    return min(means.runs.timeout_seconds, agent.limits.seconds)


async def _beginning(run: LiveRun, config: RunnableConfig, recount: Recount | None) -> AgentState | Command[Any]:
    graph, taken = run.bench.agent, run.taken
    if taken.answers is not None:
        await retell(graph, config, taken, run.story, recount)
        return Command(resume=dict(taken.answers))
    before = [] if taken.parent_status in _CLOSED else (await graph.aget_state(config)).tasks
    closed = closing(before, waited=taken.parent_status is RunStatus.INTERRUPTED)
    return AgentState(messages=[*closed, _message(taken)])


def _message(taken: TakenRun) -> HumanMessage:
    """What the user says, with references to what they send: the bytes are no part of the state."""
    sent = [reference(one.id, name=one.name, media_type=one.media_type, size=one.bytes, sha256=one.sha256) for one in taken.attachments]
    return HumanMessage([{"type": "text", "text": taken.text}, *sent] if sent else taken.text, id=str(taken.id))


def _question(question: Interrupt) -> Question:
    schema = question.response_schema if isinstance(question.response_schema, dict) else {}
    return Question(id=question.id, value=storable_values(question.value), schema=schema)


def _config(run: LiveRun, most_steps: int) -> RunnableConfig:
    """`milepost_run` is in each checkpoint's metadata, and tells whose it is.

    A run that replays names the checkpoint: LangGraph begins with a copy of it, and makes anew what was made after it.
    """
    place = {"thread_id": str(run.session_id), "milepost_run": str(run.id)}
    if run.taken.replays and not run.taken.checkpoint:
        place["checkpoint_id"] = run.taken.replays
    config: RunnableConfig = {"configurable": place, "recursion_limit": most_steps, "run_id": run.id}
    if run.trace:
        config["callbacks"] = [*run.trace.callbacks]
    return config


def _context(run: LiveRun, agent: Agent, means: Means, memory: Memory | None) -> AgentContext:
    user = run.taken.user
    return AgentContext(
        user_id=str(user.id),
        user_name=user.email.partition("@")[0],
        session_id=str(run.session_id),
        model=run.asker,
        memory=memory,
        listener=run.story,
        tools=means.tools,
        web=means.web,
        bounds=means.context,
        starts=run.bench.starts,
        names=means.names,
        agent=agent.name,
        config=agent.configured(run.taken.config),
        limits=agent.limits,
        room=means.room,
        allowed=run.tools,
        prompts=means.prompts,
    )
