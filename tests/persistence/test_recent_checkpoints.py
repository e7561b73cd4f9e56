"""What a turn has written last is begun at by the next one without being read, and is what would have been read."""

from uuid import UUID, uuid4

import psycopg
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata, CheckpointTuple, empty_checkpoint
from langgraph.graph import MessagesState, StateGraph

from app.persistence.accounts import User
from app.persistence.checkpointer import FencedSaver, PooledPostgresSaver
from app.persistence.database import Database
from app.persistence.pace import Pace
from app.persistence.recent_checkpoints import RecentCheckpoints
from app.persistence.values import Session
from tests.persistence.rows import Process, claimed


def saver_of(database: Database, run_id: UUID, recent: RecentCheckpoints, begin_at: str | None = None) -> FencedSaver:
    return FencedSaver(database.pool, run_id, 1, begin_at, patience_seconds=1, pace=Pace(600), recent=recent)


async def answer(state: MessagesState) -> MessagesState:
    return {"messages": [AIMessage(f"To {len(state['messages'])}", id=str(uuid4()))]}


async def turn(saver: FencedSaver, config: RunnableConfig) -> list[str]:
    """One turn of a small graph, as the state has it then."""
    graph = StateGraph(MessagesState).add_node("answer", answer).add_edge("__start__", "answer").compile(checkpointer=saver)
    state = await graph.ainvoke({"messages": [HumanMessage("Hi", id=str(uuid4()))]}, config, durability="async")
    await saver.flush()
    return [message.text for message in state["messages"]]


async def test_the_next_turn_reads_nothing(database: Database, database_url: str, here: Process, user: User, session: Session) -> None:
    run_id, recent = (await claimed(here, user, session)).id, RecentCheckpoints()
    config: RunnableConfig = {"configurable": {"thread_id": str(session.id), "milepost_run": str(run_id)}}
    first = saver_of(database, run_id, recent)
    await turn(first, config)
    second = saver_of(database, run_id, recent, first.latest)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE checkpoint_blobs SET blob = '\\x00'")  # whoever reads it fails
    assert await turn(second, config) == ["Hi", "To 1", "Hi", "To 3"]
    assert second.latest != first.latest


async def test_it_is_what_would_have_been_read(database: Database, here: Process, user: User, session: Session) -> None:
    run_id, recent = (await claimed(here, user, session)).id, RecentCheckpoints()
    config: RunnableConfig = {"configurable": {"thread_id": str(session.id), "milepost_run": str(run_id)}, "metadata": {"a": "b"}}
    saver = saver_of(database, run_id, recent)
    for _ in range(2):
        await turn(saver, config)
    assert saver.latest
    kept = recent.take(saver.latest)
    place: RunnableConfig = {"configurable": {"thread_id": str(session.id), "checkpoint_ns": "", "checkpoint_id": saver.latest}}
    assert kept == await PooledPostgresSaver(database.pool).aget_tuple(place)
    assert recent.take(saver.latest) is None, "it is handed out once"
    assert await saver.aget_tuple(config) == kept, "and then it is read"


async def test_what_has_been_written_to_since_is_read(database: Database, here: Process, user: User, session: Session) -> None:
    run_id, recent = (await claimed(here, user, session)).id, RecentCheckpoints()
    config: RunnableConfig = {"configurable": {"thread_id": str(session.id)}}
    saver = saver_of(database, run_id, recent)
    await turn(saver, config)
    place: RunnableConfig = {"configurable": {"thread_id": str(session.id), "checkpoint_ns": "", "checkpoint_id": saver.latest}}
    await saver.aput_writes(place, [("messages", "more")], str(uuid4()))
    found = await saver.aget_tuple(config)
    assert found
    assert found.pending_writes
    assert [value for _, _, value in found.pending_writes] == ["more"]


async def test_another_sessions_is_not_begun_at(database: Database, here: Process, user: User, session: Session) -> None:
    run_id, recent = (await claimed(here, user, session)).id, RecentCheckpoints()
    saver = saver_of(database, run_id, recent)
    await turn(saver, {"configurable": {"thread_id": str(session.id)}})
    assert recent.take(saver.latest or "")
    recent.keep(checkpoint(saver.latest or "", thread="another"), 1)
    found = await saver.aget_tuple({"configurable": {"thread_id": str(session.id)}})
    assert found
    assert found.config["configurable"]["thread_id"] == str(session.id)


def checkpoint(name: str, thread: str = "t") -> CheckpointTuple:
    value: Checkpoint = {**empty_checkpoint(), "id": name}
    config: RunnableConfig = {"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": name}}
    return CheckpointTuple(config, value, CheckpointMetadata(source="loop", step=1, parents={}), None, [])


def test_there_are_never_more_than_there_is_room_for() -> None:
    recent = RecentCheckpoints(most_bytes=100)
    for name, size in (("a", 40), ("b", 40), ("a", 60), ("c", 40)):
        recent.keep(checkpoint(name), size)
    assert [bool(recent.take(name)) for name in "abc"] == [True, False, True]
    recent.keep(checkpoint("large"), 101)
    assert recent.take("large") is None
    recent.keep(checkpoint("d"), 100)
    assert recent.take("d"), "what is gone takes no room"


def test_they_are_kept_for_a_while_and_forgotten_with_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("app.persistence.recent_checkpoints.time.monotonic", lambda: now)
    recent = RecentCheckpoints(seconds=60)
    recent.keep(checkpoint("a"), 1)
    recent.keep(checkpoint("b"), 1)
    now += 59
    assert recent.take("a")
    now += 2
    assert recent.take("b") is None
    recent.keep(checkpoint("c"), 1)
    recent.forget("somebody")
    assert recent.take("c") is None
