"""The graph's floor: our picture in plain LangGraph with stock ChatOpenAI and the stock saver, in this process, and no server at all.

What it takes is what LangGraph, LangChain and Postgres take before anybody has a server, accounts, an event log or a client.
"""

import argparse
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypedDict

import uvloop
from langchain_core.messages import AIMessageChunk, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from app.agent.prompts import system_prompt
from app.agent.tools import TOOLS
from benchmarks import users
from benchmarks.answers import COMPLETED, Heard
from benchmarks.orders import Conversation, Order, Reply, obey

_CONNECTIONS: Final = 20


class _State(MessagesState):
    memories: list[str]


class _Update(TypedDict, total=False):
    messages: list[Any]
    memories: list[str]


type _Graph = CompiledStateGraph[_State, None, _State, _State]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What the graph has streamed, or said at the end."""

    pieces: list[tuple[float, str]]
    tool_calls: int

    def heard(self) -> Heard:
        return Heard(
            text="".join(text for _, text in self.pieces),
            ended=COMPLETED,
            seen_at=[at for at, _ in self.pieces],
            token_frames=len(self.pieces),
            tool_calls=self.tool_calls,
        )


def _picture(model: ChatOpenAI, saver: AsyncPostgresSaver) -> _Graph:
    with_tools = model.bind_tools(TOOLS)

    async def recall(state: _State) -> _Update:  # noqa: ARG001  # LangGraph asks for this name
        return {"memories": []}

    async def respond(state: _State) -> _Update:
        instructions = system_prompt(now=datetime.now(UTC), user_name="user", memories=state["memories"])
        return {"messages": [await with_tools.ainvoke([SystemMessage(instructions), *state["messages"]])]}

    graph = StateGraph(_State)
    graph.add_node("recall", recall)
    graph.add_node("respond", respond)
    graph.add_node("tools", ToolNode(TOOLS))
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "respond")
    graph.add_conditional_edges("respond", tools_condition, ["tools", END])
    graph.add_edge("tools", "respond")
    return graph.compile(checkpointer=saver)


async def _streamed(graph: _Graph, conversation: Conversation, question: str) -> _Said:
    pieces, tool_calls = list[tuple[float, str]](), 0
    async for message, _ in graph.astream(_asked(question), _thread(conversation), stream_mode="messages"):
        if isinstance(message, AIMessageChunk):
            if isinstance(message.content, str) and message.content:
                pieces.append((time.monotonic(), message.content))
            tool_calls += any(chunk["name"] for chunk in message.tool_call_chunks)
    return _Said(pieces=pieces, tool_calls=tool_calls)


async def _whole(graph: _Graph, conversation: Conversation, question: str) -> _Said:
    state = await graph.ainvoke(_asked(question), _thread(conversation))
    return _Said(pieces=[(time.monotonic(), state["messages"][-1].text)], tool_calls=0)


def _asked(question: str) -> Any:  # noqa: ANN401  # an update, where LangGraph's types ask for a state
    return {"messages": [("user", question)]}


def _thread(conversation: Conversation) -> RunnableConfig:
    return {"configurable": {"thread_id": conversation.url}}


@asynccontextmanager
async def _open_saver(database_url: str) -> AsyncIterator[AsyncPostgresSaver]:
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        database_url,
        connection_class=AsyncConnection[DictRow],
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},  # as its documentation has it
        max_size=_CONNECTIONS,
        open=False,
    )
    async with pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        yield saver


async def _serve(database_url: str, provider_url: str, name: str) -> None:
    # Stock but for its key and address; usage is off by itself with an address of one's own, and everybody needs it.
    model = ChatOpenAI(model=name, base_url=provider_url, api_key="x", stream_usage=True)
    async with _open_saver(database_url) as saver:
        graph = _picture(model, saver)

        async def talk(order: Order) -> Reply:
            async def ask(conversation: Conversation, question: str) -> _Said:
                return await (_whole if order.scenario.whole else _streamed)(graph, conversation, question)

            return await users.talk(order, ask)

        await obey(talk)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graph_floor", description=__doc__)
    parser.add_argument("--database", required=True, help="postgresql:// address of an empty database")
    parser.add_argument("--provider", required=True, help="base URL of an OpenAI-compatible server")
    parser.add_argument("--model", required=True)
    chosen = parser.parse_args()
    uvloop.run(_serve(chosen.database, chosen.provider, chosen.model))


if __name__ == "__main__":
    main()
