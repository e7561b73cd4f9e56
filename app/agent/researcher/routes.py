"""Where the researcher goes next. Async, for LangGraph would send a plain function to a thread."""

from collections.abc import Sequence
from typing import Final, Literal

from langgraph.runtime import Runtime
from langgraph.types import Send

from app.agent.researcher.asking import config_of
from app.agent.researcher.state import ResearcherState, Task, WorkerState
from app.agent.routes import to_answer
from app.agent.state import AgentContext

# The critic's, the writer's, and the last, which LangGraph does not give.
_STEPS_OF_A_REVIEW: Final = 3


async def to_plan(state: ResearcherState, runtime: Runtime[AgentContext]) -> Literal["compact", "plan"]:
    return "compact" if await to_answer(state, runtime) == "compact" else "plan"


async def to_agree(state: ResearcherState, runtime: Runtime[AgentContext]) -> Sequence[Send] | Literal["agree", "write"]:
    return "agree" if config_of(runtime.context).ask_first and state.get("questions") else await to_workers(state)


async def to_workers(state: ResearcherState) -> Sequence[Send] | Literal["write"]:
    """A worker for each question; none when nothing is to be researched."""
    return [Send("worker", Task(question=question)) for question in state.get("questions", ())] or "write"


async def to_read(state: WorkerState) -> Literal["read", "__end__"]:
    return "read" if state.get("urls") else "__end__"


async def to_note(state: WorkerState) -> Literal["note", "__end__"]:
    return "note" if state.get("pages") else "__end__"


async def to_critic(state: ResearcherState, runtime: Runtime[AgentContext]) -> Literal["critic", "__end__"]:
    """An answer that rests on sources is reviewed, once."""
    is_wanted = config_of(runtime.context).critic and not state.get("remarks")
    has_room = state.get("remaining_steps", _STEPS_OF_A_REVIEW) >= _STEPS_OF_A_REVIEW
    return "critic" if is_wanted and has_room and any(one["notes"] for one in state.get("findings", ())) else "__end__"


async def after_critic(state: ResearcherState) -> Literal["write", "__end__"]:
    return "write" if state.get("remarks") else "__end__"
