"""The checkpointer keeps LangGraph's promises, holds nobody up, builds nothing a checkpoint names, and is fenced."""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID, uuid4

import ormsgpack
import psycopg
import pytest
import pytest_asyncio
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
from psycopg import sql

from app import signals
from app.errors import AppError, DatabaseUnavailable, RunLost
from app.persistence.accounts import User
from app.persistence.checkpointer import FencedSaver, PooledPostgresSaver
from app.persistence.database import Database, fetch_all, open_database
from app.persistence.pace import Pace
from app.persistence.recent_checkpoints import RecentCheckpoints
from app.persistence.values import Session
from app.settings import DatabaseSettings
from tests.persistence.moments import once, until_waiting
from tests.persistence.rows import Process, answered, claimed, process
from tests.told import between, hearing

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


def checkpoint_of(value: object, version: str = "1") -> Checkpoint:
    return empty_checkpoint() | {"channel_values": {"messages": value}, "channel_versions": {"messages": version}}


async def put(saver: BaseCheckpointSaver[str], config: RunnableConfig, value: object = "text") -> RunnableConfig:
    version = saver.get_next_version(None, None)
    metadata = CheckpointMetadata(source="loop", step=0, parents={})
    return await saver.aput(config, checkpoint_of([value], version), metadata, {"messages": version})


async def put_now(saver: FencedSaver, config: RunnableConfig, value: object = "text") -> RunnableConfig:
    written = await put(saver, config, value)
    await saver.flush()
    return written


async def kept(saver: BaseCheckpointSaver[str], config: RunnableConfig) -> Any:
    found = await saver.aget_tuple(config)
    return found and found.checkpoint["channel_values"]["messages"]


async def test_it_passes_langgraphs_conformance_suite(database: Database) -> None:
    async def saver() -> AsyncIterator[BaseCheckpointSaver[str]]:
        yield PooledPostgresSaver(database.pool)

    report = await validate(checkpointer_test("PooledPostgresSaver")(saver))
    assert [failure for result in report.results.values() for failure in result.failures] == []
    passed = {name for name, result in report.results.items() if result.passed}
    assert passed >= {capability.value for capability in BASE_CAPABILITIES}
    assert set(report.results) - passed == MISSING


async def test_so_does_an_attempts_own(database: Database, here: Process, user: User, session: Session) -> None:
    run_id = (await claimed(here, user, session)).id

    async def saver() -> AsyncIterator[BaseCheckpointSaver[str]]:
        yield WritingThrough(database.pool, run_id, 1, None, patience_seconds=1, pace=Pace(600), recent=RecentCheckpoints())

    report = await validate(checkpointer_test("FencedSaver")(saver))
    passed = {name for name, result in report.results.items() if result.passed}
    failures = [failure for result in report.results.values() for failure in result.failures]
    assert passed >= {capability.value for capability in BASE_CAPABILITIES}, failures


class WritingThrough(FencedSaver):
    """Writes at once, and has no place of its own: as the suite expects of a saver."""

    async def aput(self, *args: Any, **kwargs: Any) -> RunnableConfig:
        written = await super().aput(*args, **kwargs)
        await self.flush()
        return written

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        await super().aput_writes(*args, **kwargs)
        await self.flush()

    async def aget_tuple(self, config: RunnableConfig) -> Any:
        return await PooledPostgresSaver.aget_tuple(self, config)


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


def fenced(
    database: Database, run_id: UUID, attempt: int = 1, *, begin_at: str | None = None, patience_seconds: float = 0.2
) -> FencedSaver:
    # It writes when it is told to, and by itself never within a test.
    return FencedSaver(
        database.pool, run_id, attempt, begin_at, patience_seconds=patience_seconds, pace=Pace(600), recent=RecentCheckpoints()
    )


async def test_an_attempt_that_holds_its_run_writes_checkpoints(database: Database, here: Process, user: User, session: Session) -> None:
    saver = fenced(database, (await claimed(here, user, session)).id)
    config = await put(saver, thread())
    await saver.aput_writes(config, [("messages", "more")], "task")
    assert await kept(saver, config) == ["text"]


@pytest.mark.parametrize("attempt", [0, 2])
async def test_an_attempt_that_does_not_hold_its_run_writes_nothing(
    database: Database, here: Process, user: User, session: Session, attempt: int
) -> None:
    run = await claimed(here, user, session)
    await is_refused(database, run.id, attempt)


async def test_an_ended_run_writes_no_more_checkpoints(database: Database, here: Process, user: User, session: Session) -> None:
    run = await answered(here, user, session)
    await is_refused(database, run.id, 1)


async def is_refused(database: Database, run_id: UUID, attempt: int) -> None:
    """It is so at once: a lost run is not waited for as a lost database is."""
    saver = fenced(database, run_id, attempt, patience_seconds=60)
    config = await put(PooledPostgresSaver(database.pool), thread())
    with pytest.raises(RunLost):
        await once(put_now(saver, config, "forged"))
    for told_again in (put(saver, config, "forged"), saver.aput_writes(config, [("messages", "forged")], "task"), saver.flush()):
        with pytest.raises(RunLost):
            await once(told_again)
    saver = fenced(database, run_id, attempt, patience_seconds=60)
    await saver.aput_writes(config, [("messages", "forged")], "task")
    with pytest.raises(RunLost):
        await once(saver.flush())
    found = [checkpoint async for checkpoint in saver.alist(thread(config["configurable"]["thread_id"]))]
    assert len(found) == 1
    assert not found[0].pending_writes
    assert saver.latest is None, "what was not written is not where it is"


async def test_a_takeover_waits_for_a_checkpoint_that_is_being_written(
    database: Database, database_url: str, user: User, session: Session
) -> None:
    dead, alive = process(database, lease_seconds=-1), process(database)
    run = await claimed(dead, user, session)
    async with await psycopg.AsyncConnection.connect(database_url) as writing:
        await writing.execute("SELECT FROM run WHERE id = %s AND attempt = 1 FOR SHARE", [run.id])
        assert await once(alive.runs.take(20, [])) == [], "it is left to a later look"
    [taken] = await alive.runs.take(20, [])
    assert taken.attempt == 2


async def three_checkpoints(database: Database) -> list[RunnableConfig]:
    """One after the other, as an earlier run has left them."""
    saver, config, configs = PooledPostgresSaver(database.pool), thread(), []
    for value in ("first", "second", "third"):
        config = await put(saver, config, value)
        configs.append(config)
    return configs


def place(config: RunnableConfig) -> str:
    return str(config["configurable"]["checkpoint_id"])


def latest(config: RunnableConfig) -> RunnableConfig:
    """The same thread, wherever it is."""
    return thread(config["configurable"]["thread_id"])


async def test_an_attempt_begins_at_its_checkpoint_whatever_came_after_that(
    database: Database, here: Process, user: User, session: Session
) -> None:
    first, second, third = await three_checkpoints(database)
    run = await claimed(here, user, session)
    saver = fenced(database, run.id, begin_at=place(second))
    found = await saver.aget_tuple(latest(second))
    assert found
    assert found.config["configurable"]["checkpoint_id"] == place(second) == saver.latest
    assert await kept(saver, latest(second)) == ["second"]
    assert (await kept(saver, first), await kept(saver, third)) == (["first"], ["third"]), "what is named is given"


async def test_an_attempt_that_begins_at_nothing_sees_an_empty_thread(
    database: Database, here: Process, user: User, session: Session
) -> None:
    first, _, _ = await three_checkpoints(database)
    saver = fenced(database, (await claimed(here, user, session)).id, begin_at=None)
    assert await saver.aget_tuple(latest(first)) is None
    assert await kept(saver, first) == ["first"]


async def test_an_attempt_follows_what_it_writes_itself_and_nobody_else_does(
    database: Database, here: Process, user: User, session: Session
) -> None:
    first, _, third = await three_checkpoints(database)
    run = await claimed(here, user, session)
    saver, other = (fenced(database, run.id, begin_at=place(first)) for _ in range(2))
    for value in ("mine", "mine too"):
        written = await put_now(saver, latest(first), value)
        assert saver.latest == place(written)
        assert await kept(saver, latest(first)) == [value]
    assert await kept(other, latest(first)) == ["first"]
    assert place(written) > place(third)


async def test_a_subgraphs_checkpoints_are_its_own_matter(database: Database, here: Process, user: User, session: Session) -> None:
    first, _, _ = await three_checkpoints(database)
    saver = fenced(database, (await claimed(here, user, session)).id, begin_at=place(first))
    inner: RunnableConfig = {"configurable": {**latest(first)["configurable"], "checkpoint_ns": "tools:1"}}
    await put(saver, inner, "inner")
    assert saver.latest == place(first)
    assert await kept(saver, inner) == ["inner"]
    assert await kept(saver, latest(first)) == ["first"]


async def write_now(saver: FencedSaver, config: RunnableConfig) -> None:
    await saver.aput_writes(config, [("messages", "more")], "task")
    await saver.flush()


def rows(database: Database) -> Awaitable[list[dict[str, Any]]]:
    return fetch_all(database.pool, "SELECT * FROM checkpoints ORDER BY checkpoint_id", {})


async def test_what_is_overtaken_before_it_was_written_is_never_written(
    database: Database, here: Process, user: User, session: Session
) -> None:
    saver = fenced(database, (await claimed(here, user, session)).id)
    first = await put_now(saver, thread(), "first")
    second = await put(saver, first, "second")
    await saver.aput_writes(second, [("messages", "gone")], "task")
    third = await put(saver, second, "third")
    await saver.aput_writes(third, [("messages", "kept")], "task")
    assert len(await rows(database)) == 1, "it writes behind"
    await saver.flush()
    found = await saver.aget_tuple(third)
    assert found
    assert found.checkpoint["channel_values"] == {"messages": ["third"]}
    assert found.pending_writes == [("task", "messages", "kept")]
    assert found.parent_config == first, "the one that is written"
    assert [row["checkpoint_id"] for row in await rows(database)] == [place(first), place(third)]
    assert len(await fetch_all(database.pool, "SELECT FROM checkpoint_writes", {})) == 1


async def test_a_channel_that_changed_only_in_what_was_overtaken_is_written(
    database: Database, here: Process, user: User, session: Session
) -> None:
    saver = fenced(database, (await claimed(here, user, session)).id)
    metadata = CheckpointMetadata(source="loop", step=0, parents={})
    first = await saver.aput(thread(), checkpoint_of(["a"], "1"), metadata, {"messages": "1"})
    second = empty_checkpoint() | {
        "channel_values": {"messages": ["a"], "memories": ["b"], "name": "c"},
        "channel_versions": {"messages": "1", "memories": "1", "name": "1"},
    }
    written = await saver.aput(first, second, metadata, {"memories": "1", "name": "1"})
    await saver.flush()
    found = await PooledPostgresSaver(database.pool).aget_tuple(written)
    assert found
    assert found.checkpoint["channel_values"] == {"messages": ["a"], "memories": ["b"], "name": "c"}


async def test_it_writes_by_itself_after_its_pause(database: Database, here: Process, user: User, session: Session) -> None:
    run_id = (await claimed(here, user, session)).id
    saver = FencedSaver(database.pool, run_id, 1, None, patience_seconds=1, pace=Pace(0.01), recent=RecentCheckpoints())
    for value in ("first", "second"):
        written = await put(saver, thread(), value)
        await until_at(saver, written)
        assert await kept(PooledPostgresSaver(database.pool), written) == [value]


async def until_at(saver: FencedSaver, written: RunnableConfig) -> None:
    async with asyncio.timeout(5):
        while saver.latest != place(written):  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("seconds", "pause"), [(0, 0.1), (0.004, 0.1), (0.02, 0.4), (0.1, 2), (30, 2)], ids=["none", "soon", "longer", "longest", "no longer"]
)
def test_the_pause_grows_with_what_a_write_takes(seconds: float, pause: float) -> None:
    pace = Pace(0.1)
    with patch("app.persistence.pace.monotonic", side_effect=[50, 50 + seconds]), pace.timing():
        pass
    assert pace.pause_seconds == pytest.approx(pause)


async def test_who_waits_for_a_write_may_be_stopped_and_the_write_is_whole(
    database: Database, database_url: str, here: Process, user: User, session: Session
) -> None:
    run = await claimed(here, user, session)
    saver = fenced(database, run.id)
    async with await psycopg.AsyncConnection.connect(database_url) as blocker:
        await blocker.execute("SELECT FROM run WHERE id = %s FOR UPDATE", [run.id])
        waiting = asyncio.create_task(put_now(saver, thread()))
        await once(until_waiting(database_url, 1))
        waiting.cancel()
        await asyncio.wait([waiting])
        later = asyncio.create_task(put(saver, thread(), "meanwhile"))
        await later
        await blocker.rollback()
    await once(saver.flush())
    assert len(await rows(database)) == 2


async def test_a_state_that_cannot_be_kept_fails_the_attempt(database: Database, here: Process, user: User, session: Session) -> None:
    saver = fenced(database, (await claimed(here, user, session)).id)
    await put(saver, thread(), threading.Lock())
    with pytest.raises(AppError) as failed:
        await saver.flush()
    assert failed.value.code == "internal_error"
    with pytest.raises(AppError):
        await put(saver, thread(), "more")
    assert saver.latest is None


type Outage = Callable[[], AbstractAsyncContextManager[Callable[[], Awaitable[None]]]]


@pytest.fixture
def outage(postgres: str, database_url: str) -> Outage:
    return partial(without_connections, postgres, database_url)


@asynccontextmanager
async def without_connections(postgres: str, database_url: str) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """No connection to the database survives and none can be made, until what is given is called."""
    name = sql.Identifier(database_url.rpartition("/")[2].partition("?")[0])
    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as administrator:

        async def end() -> None:
            await administrator.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true").format(name))

        await administrator.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(name))
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name.as_string().strip('"')]
        )
        try:
            yield end
        finally:
            await end()


@pytest_asyncio.fixture
async def impatient(database_url: str) -> AsyncIterator[Database]:
    """The database by a pool that soon says when it has no connection."""
    async with open_database(database_url, DatabaseSettings(DATABASE_POOL_SIZE=2, DATABASE_CONNECT_SECONDS=0.2)) as database:
        yield database


async def until_refused(database: Database) -> None:
    """Return when somebody has been told that there is no connection."""
    before = refusals(database)
    async with asyncio.timeout(20):
        while refusals(database) == before:  # noqa: ASYNC110  # the pool has no event for it
            await asyncio.sleep(0.01)


def refusals(database: Database) -> int:
    return database.pool.get_stats().get("requests_errors", 0)


async def test_an_attempt_waits_for_its_database_and_then_goes_on(
    impatient: Database, outage: Outage, here: Process, user: User, session: Session
) -> None:
    config = await put(PooledPostgresSaver(impatient.pool), thread())
    run_id = (await claimed(here, user, session)).id
    saver, later, another = (fenced(impatient, run_id, begin_at=place(config), patience_seconds=60) for _ in range(3))
    async with outage() as end:
        steps = [
            asyncio.create_task(kept(saver, config)),
            asyncio.create_task(put_now(later, thread(), "new")),
            asyncio.create_task(write_now(another, config)),
        ]
        for _ in range(2):
            await until_refused(impatient)
        assert not any(step.done() for step in steps)
        await end()
        found, written, _ = await asyncio.wait_for(asyncio.gather(*steps), 30)
    assert found == ["text"]
    assert later.latest == place(written)
    assert await kept(saver, written) == ["new"]
    again = await saver.aget_tuple(config)
    assert again
    assert again.pending_writes == [("task", "messages", "more")]


async def test_an_attempt_gives_its_database_up_after_its_patience(
    impatient: Database, outage: Outage, here: Process, user: User, session: Session
) -> None:
    run_id = (await claimed(here, user, session)).id
    saver, later, another = (fenced(impatient, run_id, patience_seconds=1) for _ in range(3))
    async with outage():
        started = time.monotonic()
        steps = [put_now(saver, thread()), kept(later, a_place()), write_now(another, a_place())]
        ends = await asyncio.wait_for(asyncio.gather(*steps, return_exceptions=True), 20)
        assert time.monotonic() - started >= 1
    assert [type(end) for end in ends] == [DatabaseUnavailable] * 3
    assert saver.latest is None


def a_place() -> RunnableConfig:
    """A place in a thread."""
    return {"configurable": {"thread_id": "known", "checkpoint_ns": "", "checkpoint_id": "1"}}


async def test_a_write_and_a_read_are_told_and_what_needs_neither_is_not(
    database: Database, here: Process, user: User, session: Session
) -> None:
    run = await claimed(here, user, session)
    saver, place = fenced(database, run.id), thread(str(session.id))
    heard = (signals.checkpoints_written, signals.checkpoint_read)
    with hearing(*heard) as told:
        first = await put(saver, place)
        await put(saver, first, "x" * 5_000)
        assert told == [], "it is written behind"
        await saver.flush()
        await saver.flush()
        assert await kept(saver, place) == ["x" * 5_000], "which it still has"
        assert await kept(saver, place) == ["x" * 5_000]
    # Of the first, which another had followed by then, nothing is left.
    assert told == [("checkpoints_written", 1, between(5_000, 5_100), between()), ("checkpoint_read", between())]


async def test_a_write_that_fails_is_not_told(database: Database, here: Process, user: User, session: Session) -> None:
    run = await claimed(here, user, session)
    saver = fenced(database, run.id, attempt=2)
    await put(saver, thread(str(session.id)))
    with hearing(signals.checkpoints_written) as told, pytest.raises(RunLost):
        await saver.flush()
    assert told == []
