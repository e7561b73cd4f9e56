"""The checkpointer keeps LangGraph's promises, holds nobody up, builds nothing a checkpoint names, and is fenced."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import ormsgpack
import psycopg
import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointMetadata, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import BASE_CAPABILITIES

from app.errors import RunLost
from app.persistence.checkpointer import FencedSaver, PooledPostgresSaver
from app.persistence.database import Database
from app.persistence.runs import RunTable
from app.persistence.values import Session, User
from tests.persistence.rows import claimed, finished

# What LangGraph's own Postgres saver lacks, and nothing of ours asks for.
MISSING: Final = {"copy_thread", "delete_for_runs"}

MESSAGES: Final[list[BaseMessage]] = [
    HumanMessage("Zoë \U0001f989 \0 {braces}", id="1", name="ada"),
    HumanMessage([{"type": "text", "text": "a part"}], id="2"),
    AIMessage(
        "84",
        id="3",
        tool_calls=[
            {"name": "calculate", "args": {"expression": "12*7", "deep": [{"a": None}], "n": 2**63}, "id": "c", "type": "tool_call"}
        ],
        invalid_tool_calls=[{"name": "x", "args": "{", "id": "d", "error": "no", "type": "invalid_tool_call"}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "input_token_details": {"cache_read": 1}},
        additional_kwargs={"reasoning_content": "hm"},
        response_metadata={"model_name": "stub", "finish_reason": "stop"},
    ),
    ToolMessage("84", id="4", tool_call_id="c", name="calculate", status="error", artifact={"raw": b"\0\xff"}),
    SystemMessage("Be brief.", id="5"),
    ChatMessage(content="Hm.", role="critic", id="6"),
    FunctionMessage(content="84", name="calculate", id="7"),
    RemoveMessage(id="8"),
]


def thread(name: str = "") -> RunnableConfig:
    return {"configurable": {"thread_id": name or str(uuid4()), "checkpoint_ns": ""}}


def checkpoint_of(value: object) -> Checkpoint:
    return empty_checkpoint() | {"channel_values": {"messages": value}, "channel_versions": {"messages": "1"}}


async def put(saver: BaseCheckpointSaver[str], config: RunnableConfig, value: object = "text") -> RunnableConfig:
    return await saver.aput(config, checkpoint_of([value]), CheckpointMetadata(source="loop", step=0, parents={}), {"messages": "1"})


async def kept(saver: BaseCheckpointSaver[str], config: RunnableConfig) -> Any:
    found = await saver.aget_tuple(config)
    return found and found.checkpoint["channel_values"]["messages"]


async def once[T](wanted: Awaitable[T]) -> T:
    return await asyncio.wait_for(wanted, 5)


async def test_it_passes_langgraphs_conformance_suite(database: Database) -> None:
    async def saver() -> AsyncIterator[BaseCheckpointSaver[str]]:
        yield PooledPostgresSaver(database.pool)

    report = await validate(checkpointer_test("PooledPostgresSaver")(saver))
    assert [failure for result in report.results.values() for failure in result.failures] == []
    passed = {name for name, result in report.results.items() if result.passed}
    assert passed >= {capability.value for capability in BASE_CAPABILITIES}
    assert set(report.results) - passed == MISSING


async def test_a_slow_query_holds_up_no_other(database: Database, database_url: str) -> None:
    saver = PooledPostgresSaver(database.pool)
    slow, quick = await put(saver, thread("slow")), await put(saver, thread("quick"))
    async with await psycopg.AsyncConnection.connect(database_url) as blocker:
        await blocker.execute("SELECT FROM checkpoints WHERE thread_id = 'slow' FOR UPDATE")
        held_up = [asyncio.create_task(put_again(saver, slow)) for _ in range(3)]
        await once(until_waiting(database_url, 3))
        assert await once(kept(saver, quick)) == ["text"]
        await once(put(saver, thread("new")))
        assert not any(task.done() for task in held_up)
        await blocker.rollback()
    await once(asyncio.gather(*held_up))


async def put_again(saver: BaseCheckpointSaver[str], config: RunnableConfig) -> None:
    """Write the same checkpoint once more, which needs its row."""
    checkpoint = checkpoint_of(["text"]) | {"id": config["configurable"]["checkpoint_id"]}
    await saver.aput(config, checkpoint, CheckpointMetadata(source="loop", step=0, parents={}), {})


async def until_waiting(url: str, count: int) -> None:
    """Return when so many statements wait for a lock at the same time."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while True:
            if await (await connection.execute(waiting)).fetchone() == (count,):
                return
            await asyncio.sleep(0.01)


async def test_messages_of_all_kinds_come_back_as_they_were_without_a_warning(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    saver = PooledPostgresSaver(database.pool)
    config = await saver.aput(thread(), checkpoint_of(MESSAGES), CheckpointMetadata(source="loop", step=0, parents={}), {"messages": "1"})
    await saver.aput_writes(config, [("messages", MESSAGES)], "task")
    with caplog.at_level(logging.WARNING):
        found = await PooledPostgresSaver(database.pool).aget_tuple(config)
    assert found
    assert found.checkpoint["channel_values"]["messages"] == MESSAGES
    assert found.pending_writes == [("task", "messages", MESSAGES)]
    assert caplog.records == []


async def test_a_class_that_a_checkpoint_names_is_neither_imported_nor_built(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sprung = tmp_path / "sprung"
    (tmp_path / "a_trap.py").write_text(f"open({str(sprung)!r}, 'w').close()\nclass Trap:\n    def __init__(self, value): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    saver = PooledPostgresSaver(database.pool)
    for module, name in (("a_trap", "Trap"), ("pathlib", "Path.touch"), ("subprocess", "getoutput")):
        config = await put(saver, thread())
        named = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb((module, name, f"touch {sprung}"))))
        await replace_blob(database, config, named)
        await kept(saver, config)
        assert not sprung.exists()
    assert "a_trap" not in sys.modules


async def replace_blob(database: Database, config: RunnableConfig, blob: bytes) -> None:
    async with database.pool.connection() as connection:
        done = await connection.execute(
            "UPDATE checkpoint_blobs SET blob = %s WHERE thread_id = %s", [blob, config["configurable"]["thread_id"]]
        )
    assert done.rowcount == 1


@pytest.fixture
def runs(database: Database) -> RunTable:
    return RunTable(database.pool, owner=uuid4(), lease_seconds=60)


async def test_an_attempt_that_holds_its_run_writes_checkpoints(database: Database, runs: RunTable, user: User, session: Session) -> None:
    run = await claimed(runs, user, session)
    saver = FencedSaver(database.pool, run.id, 1)
    config = await put(saver, thread())
    await saver.aput_writes(config, [("messages", "more")], "task")
    assert await kept(saver, config) == ["text"]


@pytest.mark.parametrize("attempt", [0, 2])
async def test_an_attempt_that_does_not_hold_its_run_writes_nothing(
    database: Database, runs: RunTable, user: User, session: Session, attempt: int
) -> None:
    run = await claimed(runs, user, session)
    await is_refused(database, run.id, attempt)


async def test_an_ended_run_writes_no_more_checkpoints(database: Database, runs: RunTable, user: User, session: Session) -> None:
    run = await claimed(runs, user, session)
    assert await runs.finish(finished(run))
    await is_refused(database, run.id, 1)


async def is_refused(database: Database, run_id: UUID, attempt: int) -> None:
    saver, config = FencedSaver(database.pool, run_id, attempt), await put(PooledPostgresSaver(database.pool), thread())
    with pytest.raises(RunLost):
        await put(saver, config, "forged")
    with pytest.raises(RunLost):
        await saver.aput_writes(config, [("messages", "forged")], "task")
    found = [checkpoint async for checkpoint in saver.alist(thread(config["configurable"]["thread_id"]))]
    assert len(found) == 1
    assert not found[0].pending_writes
