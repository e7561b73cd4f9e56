"""A connection is a read-only tail of a durable log: what survives when connections, processes and databases go."""

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.faults.conftest import Door
from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Event, Visitor, text_of, types_of

WORDS: Final = "one two three four five six seven eight nine ten"


async def _begin(visitor: Visitor, session: str, message: str = "Count to ten", tokens: int = 3) -> tuple[str, list[Event]]:
    """Send a message, read some tokens, and hang up; the run and what was read."""
    read: list[Event] = []
    async with visitor.streaming(session, message) as events:
        async for event in events:
            read.append(event)
            if sum(one.type == "token" for one in read) == tokens:
                break
    return read[0].data["run_id"], read


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # another process makes it true
            await asyncio.sleep(0.05)


def _is_attempt(database_url: str, number: int) -> bool:
    return _rows(database_url, "SELECT attempt FROM run") == [{"attempt": number}]


def _rows(database_url: str, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute(statement).fetchall()


async def test_twenty_answers_survive_the_death_of_their_server(
    door: Door, first: ServerProcess, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.2, times=60))
    ada = await door.enter(first)
    sessions = [await ada.open_session() for _ in range(20)]
    runs = [run for run, _ in await asyncio.gather(*(_begin(ada, session) for session in sessions))]
    first.kill()
    await first.start()
    for session, events in zip(sessions, await asyncio.gather(*map(ada.read_on, runs)), strict=True):
        assert text_of(events) == WORDS
        assert types_of(events)[-2:] == ["usage", "end"]
        assert [message["content"] for message in await ada.messages(session)] == ["Count to ten", WORDS]
    assert _rows(database_url, "SELECT status, count(*) AS runs FROM run GROUP BY status") == [{"status": "completed", "runs": 20}]


async def test_a_frozen_process_that_wakes_writes_nothing(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.3, times=2))
    ada = await door.enter(first)
    session = await ada.open_session()
    run, _ = await _begin(ada, session)
    first.signal(signal.SIGSTOP)
    events = await (await door.enter(second)).read_on(run)
    assert "reset" in types_of(events)
    assert text_of(events) == WORDS
    tables = ("run", "run_event", "message", "model_call", "checkpoints", "checkpoint_blobs", "checkpoint_writes")
    before = {table: _rows(database_url, f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t") for table in tables}  # noqa: S608
    first.signal(signal.SIGCONT)
    await _until(lambda: '"held": false' in first.output())
    after = {table: _rows(database_url, f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t") for table in tables}  # noqa: S608
    assert after == before
    assert text_of(await ada.read_on(run)) == WORDS


async def test_an_answer_is_read_and_stopped_from_a_process_that_does_not_make_it(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.1), Text(WORDS, seconds_between=0.5))
    ada = await door.enter(first)
    elsewhere = await door.enter(second)
    session = await ada.open_session()
    run, read = await _begin(ada, session)
    assert text_of(await elsewhere.read_on(run)) == WORDS
    assert text_of([*read, *await elsewhere.read_on(run, after=read[-1].id)]) == WORDS

    run, _ = await _begin(ada, session)
    assert (await elsewhere.http.post(f"/runs/{run}/cancel")).status_code == httpx.codes.NO_CONTENT
    await provider.wait_until_closed_early(seconds=2)
    stopped = await elsewhere.read_on(run)
    assert (stopped[-1].type, stopped[-1].data["status"]) == ("end", "cancelled")
    assert (await elsewhere.messages(session))[-1]["content"] == text_of(stopped)


async def test_a_server_that_is_told_to_stop_hands_its_answers_over(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.3, times=2))
    ada = await door.enter(first)
    session = await ada.open_session()
    run, _ = await _begin(ada, session)
    first.signal(signal.SIGTERM)
    assert text_of(await (await door.enter(second)).read_on(run)) == WORDS
    first.wait()
    assert [message["status"] for message in await (await door.enter(second)).messages(session)] == ["completed", "completed"]


async def test_a_reader_who_loses_every_connection_reads_the_same(door: Door, first: ServerProcess, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "6*7"})], content="Let me see."), Text(WORDS))
    ada = await door.enter(first)
    whole = await ada.stream(await ada.open_session(), "What is 6*7?")
    run = whole[0].data["run_id"]
    for place in range(len(whole)):
        rest = await ada.read_on(run, after=whole[place].id)
        assert [*whole[: place + 1], *rest] == whole


async def test_tools_that_have_answered_are_not_asked_again(door: Door, first: ServerProcess, provider: ProviderStub) -> None:
    calls = ToolCalls([ToolCall("calculate", {"expression": "6*7"})])
    await provider.script(calls, Text(WORDS, seconds_between=0.3, times=2))
    ada = await door.enter(first)
    run, _ = await _begin(ada, await ada.open_session())
    first.kill()
    await first.start()
    events = await ada.read_on(run)
    again = types_of(events)[types_of(events).index("reset") :]
    assert again == ["reset", "tool_call", "tool_result", "token", "usage", "end"]
    assert text_of(events) == WORDS
    assert len(await provider.requests()) == 3  # the call, the answer that was lost, and the answer


async def test_the_ledger_has_each_call_once_however_many_attempts_tell_it(
    door: Door, first: ServerProcess, provider: ProviderStub, database_url: str
) -> None:
    calls = ToolCalls([ToolCall("calculate", {"expression": "6*7"})])
    await provider.script(calls, Text(WORDS, seconds_between=0.3, times=3))
    ada = await door.enter(first)
    run, _ = await _begin(ada, await ada.open_session())
    for number in (2, 3):
        first.kill()
        await first.start()
        await _until(partial(_is_attempt, database_url, number))
    [usage] = [event.data for event in await ada.read_on(run) if event.type == "usage"]
    written = _rows(database_url, "SELECT id, attempt, purpose, error_code, input_tokens, output_tokens FROM model_call ORDER BY id")
    # The answers that died with their process are in nobody's account.
    assert [(row["attempt"], row["purpose"], row["error_code"]) for row in written] == [(3, "answer", None)] * 2
    assert len({row["id"] for row in written}) == 2
    sums = {name: sum(row[name] for row in written) for name in ("input_tokens", "output_tokens")}
    assert sums == {name: usage[name] for name in sums}
    assert sums["output_tokens"] == 1 + len(WORDS.split())


async def test_a_run_that_kills_its_server_each_time_ends_as_failed(
    door: Door, first: ServerProcess, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.5, times=9))
    ada = await door.enter(first)
    session = await ada.open_session()
    run, _ = await _begin(ada, session)
    for number in (2, 3, 4):
        first.kill()
        await first.start()
        await _until(partial(_is_attempt, database_url, number))
    events = await ada.read_on(run)
    assert [event.data["code"] for event in events if event.type == "error"] == ["attempts_exhausted"]
    assert events[-1].data["status"] == "failed"
    await provider.clear()
    await provider.script(Text("Free again."))
    assert text_of(await ada.stream(session, "Hello?")) == "Free again."


async def test_a_session_that_is_cleared_elsewhere_ends_its_answer(
    door: Door, first: ServerProcess, second: ServerProcess, provider: ProviderStub
) -> None:
    await provider.script(Text(WORDS, seconds_between=0.3), Text("As new."))
    ada = await door.enter(first)
    elsewhere = await door.enter(second)
    session = await ada.open_session()
    async with ada.streaming(session, "Count to ten") as events:
        read = [await anext(events) for _ in range(3)]
        assert (await elsewhere.http.delete(f"/sessions/{session}/messages")).status_code == httpx.codes.NO_CONTENT
        read += [event async for event in events]
    assert [(event.type, event.data["status"]) for event in read[-1:]] == [("end", "cancelled")]
    assert types_of(read).count("end") == 1
    await provider.wait_until_closed_early(seconds=5)
    assert (await ada.ask(session, "And now?")).json()["message"]["content"] == "As new."
    assert [message["content"] for message in await ada.messages(session)] == ["And now?", "As new."]
