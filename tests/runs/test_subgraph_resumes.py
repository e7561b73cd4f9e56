"""An agent that calls its tools in a subgraph goes on among them when its process dies, and its readers miss none of what they answered."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypedDict

import pytest
from langchain_core.messages import AnyMessage
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from app.agent.nodes.respond import respond_node
from app.agent.nodes.tools import tools_node
from app.agent.routes import to_tools
from app.agent.spec import AgentGraph
from app.agent.state import AgentContext, AgentState
from tests.runs.test_research_resumes import MortalTree
from tests.runs.test_resume import FETCHING, YES, Session, told

# More than a turn with its tools writes, and a step after them in the subgraph.
MOST_WRITES: Final = 24


class Conversation(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


async def to_calls(state: AgentState) -> Literal["calls", "__end__"]:
    return "__end__" if await to_tools(state) == "__end__" else "calls"


async def look(state: Conversation) -> None:
    """A step after the tools, so that a process can die when they have answered."""


def build(checkpointer: BaseCheckpointSaver[str], tools: Sequence[BaseTool]) -> AgentGraph:
    calls = StateGraph(Conversation, context_schema=AgentContext)
    calls.add_node("tools", tools_node(tools))
    calls.add_node("look", look)
    calls.add_conditional_edges(START, to_tools, ["tools", END])
    calls.add_edge("tools", "look")
    graph = StateGraph(AgentState, context_schema=AgentContext)
    graph.add_node("respond", respond_node(tools))
    graph.add_node("calls", calls.compile())
    graph.add_edge(START, "respond")
    graph.add_conditional_edges("respond", to_calls, ["calls", END])
    graph.add_edge("calls", "respond")
    return graph.compile(checkpointer=checkpointer)


def a_session(*wanted: tuple[str, str]) -> Session:
    return Session(wanted or FETCHING[:1], saver=MortalTree(), build=build, most_writes=MOST_WRITES)


@pytest.mark.parametrize("lives", range(MOST_WRITES + 1))
async def test_whichever_write_was_the_last_the_transcript_has_the_call_with_its_answer(lives: int) -> None:
    session = a_session()
    run = session.run()
    await session.dies_after(lives, run)
    assert await session.walks(run, attempt=2) is None
    assert session.last.story.transcript()["content"] == "It is 84."
    assert told(session.last) == [("calculate", {"expression": "12*7"}, "84", False)]
    assert [message.type for message in await session.conversation()] == ["human", "ai", "tool", "ai"]


@pytest.mark.parametrize("lives", range(MOST_WRITES + 1))
async def test_whichever_write_was_the_last_after_questions_the_transcript_has_each_call_once(lives: int) -> None:
    session = a_session(*FETCHING)
    await session.walks(session.run())
    run = session.run({question.id: YES for question in session.last.questions})
    await session.dies_after(lives, run)
    assert await session.walks(run, attempt=2) is None
    assert session.last.story.transcript()["content"] == "It is 84 and a hat and a coat."
    assert sorted(told(session.last), key=str) == [("fetch", {"what": "coat"}, "a coat", False), ("fetch", {"what": "hat"}, "a hat", False)]
