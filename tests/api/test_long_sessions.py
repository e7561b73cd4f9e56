"""A session that is talked in for long: what the model reads and what the database keeps stay bounded, and nothing breaks for it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from app.persistence.checkpoints import CheckpointTable
from app.persistence.database import Database, fetch_all, open_database
from app.runs.chores import prune_checkpoints
from app.settings import Settings
from tests.stub.answers import Answer, Hang, HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of, types_of

MESSAGES: Final = 16
KEPT: Final = 4
ONE_TURN: Final = 4
SMALL: Final = {"CONTEXT_MESSAGES": str(MESSAGES), "CHECKPOINTS_KEPT": str(KEPT)}
TOOLS_ALWAYS: Final = {**SMALL, "DEFAULT_LLM_MODEL": "stub-3-tool100"}
# The words in which a summary is asked for, and no user's message has.
SUMMARY: Final = "<conversation>"

_STORED: Final = """
SELECT (SELECT count(*) FROM checkpoints WHERE thread_id = %(id)s) AS checkpoints,
       (SELECT coalesce(sum(pg_column_size(checkpoints.*)), 0) FROM checkpoints WHERE thread_id = %(id)s)
     + (SELECT coalesce(sum(pg_column_size(checkpoint_blobs.*)), 0) FROM checkpoint_blobs WHERE thread_id = %(id)s)
     + (SELECT coalesce(sum(pg_column_size(checkpoint_writes.*)), 0) FROM checkpoint_writes WHERE thread_id = %(id)s) AS bytes
"""


@pytest_asyncio.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings.database.url, settings.database) as database:
        yield database


async def _stored(database: Database, session: str) -> Mapping[str, Any]:
    return (await fetch_all(database.pool, _STORED, {"id": session}))[0]


async def _prune(database: Database) -> None:
    await prune_checkpoints(CheckpointTable(database.pool), KEPT)


async def _talk(visitor: Visitor, session: str, count: int, first: int = 1) -> list[dict[str, Any]]:
    """So many turns, each numbered."""
    answers = []
    for number in range(first, first + count):
        answer = await visitor.ask(session, f"Question {number}.")
        assert answer.status_code == httpx.codes.OK, answer.text
        answers.append(answer.json())
    return answers


def _asked(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    return [message["content"] for message in messages if message["role"] == "user"]


@pytest.mark.variables(**TOOLS_ALWAYS)
async def test_the_hundred_and_fiftieth_turn_reads_and_stores_no_more_than_the_fifteenth(
    ada: Visitor, provider: ProviderStub, database: Database
) -> None:
    await provider.script(Text("They counted questions.", when=SUMMARY, times=200))
    session = await ada.open_session()
    stored = []
    for first in range(1, 151, 15):
        await _talk(ada, session, 15, first)
        await _prune(database)
        stored.append(await _stored(database, session))

    requests = [request.messages for request in await provider.requests()]
    answers = [messages for messages in requests if SUMMARY not in str(messages[-1])]
    assert len(answers) == 300
    assert max(map(len, answers)) <= 1 + MESSAGES + ONE_TURN
    summaries = len(requests) - len(answers)
    assert 150 * ONE_TURN / MESSAGES <= summaries <= 150 * ONE_TURN / (MESSAGES / 2) + 1
    for messages in answers:
        called = {call["id"] for message in messages for call in message.get("tool_calls") or ()}
        assert {message["tool_call_id"] for message in messages if message["role"] == "tool"} <= called
        assert messages[1]["role"] == "user"

    assert "They counted questions." in answers[-1][0]["content"]
    assert "They counted questions." not in answers[0][0]["content"]
    numbers = [int(said.split()[1].rstrip(".")) for said in _asked(answers[-1])]
    assert numbers == [*range(numbers[0], 151)]
    assert len(numbers) >= 2
    assert max(one["checkpoints"] for one in stored) <= KEPT * 3
    assert stored[-1]["bytes"] < 1.5 * stored[0]["bytes"]
    page = (await ada.http.get(f"/sessions/{session}/messages", params={"limit": 100})).json()["items"]
    marked = [message["content"] for message in page if message["is_compacted"] and message["role"] == "user"]
    assert marked == [f"Question {number}." for number in range(101, numbers[0])]
    assert page == sorted(page, key=lambda message: not message["is_compacted"])


@pytest.mark.variables(**SMALL)
async def test_recent_turns_are_said_again_after_compaction_and_pruning_and_old_ones_refused(
    ada: Visitor, provider: ProviderStub, database: Database
) -> None:
    await provider.script(Text("Nine questions.", when=SUMMARY, times=10))
    session = await ada.open_session()
    first = (await _talk(ada, session, 12))[0]
    await _prune(database)
    said = [message for message in await ada.messages(session) if message["role"] == "user"]

    again = await ada.http.post(f"/sessions/{session}/regenerate", json={})
    assert again.status_code == httpx.codes.OK
    edited = await ada.ask(session, "Question eleven.", instead_of=said[10]["id"])
    assert edited.status_code == httpx.codes.OK
    last = (await provider.requests())[-1].messages
    assert _asked(last)[-2:] == ["Question 10.", "Question eleven."]
    assert "Nine questions." in last[0]["content"]

    for path, body in {"regenerate": {"message_id": said[1]["id"]}, "chat": {"message": "No.", "instead_of": said[1]["id"]}}.items():
        refused = await ada.http.post(f"/sessions/{session}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (httpx.codes.GONE, "turn_too_old")
    assert _asked(await ada.messages(session))[-1] == "Question eleven."
    # The first turn begins with nothing, and nothing of it was pruned.
    assert (await ada.ask(session, "From the start.", instead_of=said[0]["id"])).status_code == httpx.codes.OK

    assert [message["is_compacted"] for message in await ada.messages(session)] == [False, False]
    await _prune(database)
    switched = await ada.http.put(f"/sessions/{session}/branch", json={"run_id": first["run_id"]})
    assert switched.status_code == httpx.codes.NO_CONTENT
    shown = await ada.messages(session)
    assert _asked(shown)[-2:] == ["Question 10.", "Question eleven."]
    assert [message["is_compacted"] for message in shown].count(True) > 0
    await _talk(ada, session, 1, 99)
    assert _asked((await provider.requests())[-1].messages)[-3:] == ["Question 10.", "Question eleven.", "Question 99."]


@pytest.mark.variables(**SMALL)
async def test_a_question_waits_through_pruning_with_all_that_was_said_before_it(
    ada: Visitor, provider: ProviderStub, database: Database
) -> None:
    rename = ToolCalls((ToolCall("rename_session", {"name": "Oslo"}),), when="rename it")
    await provider.script(rename, Text("Many questions.", when=SUMMARY, times=10), Text("Renamed.", when="rename it"))
    session = await ada.open_session()
    await _talk(ada, session, 9)
    asked = (await ada.ask(session, "Please rename it.")).json()
    turn = asked["interrupts"][0]["id"]
    await _prune(database)

    body = {"interrupt_id": turn, "value": {"approved": True}}
    resumed = await ada.http.post(f"/sessions/{session}/resume", json=body)
    assert (resumed.status_code, resumed.json()["message"]["content"]) == (httpx.codes.OK, "Renamed.")
    last = (await provider.requests("rename it"))[-1].messages
    assert "Many questions." in last[0]["content"]
    assert [message["role"] for message in last[-3:]] == ["user", "assistant", "tool"]


@pytest.mark.variables(**SMALL, SUMMARY_SECONDS="0.3")
async def test_no_answer_fails_for_want_of_a_summary(ada: Visitor, provider: ProviderStub) -> None:
    failing: list[Answer] = [
        HttpError(503, when=SUMMARY),
        Hang(when=SUMMARY),
        Text("", when=SUMMARY),
        HttpError(400, when=SUMMARY, times=200),
    ]
    await provider.script(*failing)
    session = await ada.open_session()
    await _talk(ada, session, 40)

    answers = [request.messages for request in await provider.requests() if SUMMARY not in str(request.messages[-1])]
    assert MESSAGES < max(map(len, answers)) <= 1 + 2 * MESSAGES + 1
    assert answers[-1][0]["content"].count("Older messages could not be summarised") == 1


@pytest.mark.variables(**SMALL)
async def test_a_summary_is_paid_for_in_its_run_and_heard_by_nobody(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("A long story, made short.", when=SUMMARY))
    session = await ada.open_session()
    await _talk(ada, session, 8)
    events = await ada.stream(session, "Question 9.")

    assert text_of(events) == "You said: Question 9."
    assert types_of(events) == ["start", "token", "usage", "end"]
    asked = await provider.requests()
    assert SUMMARY in str(asked[-2].messages)
    alone = next(event for event in await ada.stream(session, "Question 10.") if event.type == "usage").data
    assert next(event for event in events if event.type == "usage").data["output_tokens"] > alone["output_tokens"]


@pytest.mark.variables(TOOL_RESULT_CHARACTERS="40")
async def test_a_long_result_is_cut_for_the_model_and_whole_for_people(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(ToolCalls((ToolCall("current_time", {"timezone": "Europe/Oslo"}),)), Text("Late."))
    session = await ada.open_session()
    events = await ada.stream(session, "What time is it?")

    whole = next(event.data["content"] for event in events if event.type == "tool_result")
    assert len(whole) > 40
    told = (await provider.requests())[-1].messages[-1]["content"]
    assert told.startswith(f"{whole[:40]}\n\n[Cut here: {len(whole) - 40} of {len(whole)} characters are missing.")
    assert (await ada.messages(session))[-1]["tool_calls"][0]["content"] == whole


@pytest.mark.variables(**SMALL, CONTEXT_WINDOW="1000")
async def test_a_message_longer_than_the_window_is_sent_and_then_folded(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("A long one.", when=SUMMARY, times=9))
    session = await ada.open_session()
    long = "mile " * 4_000
    for message in (long, long, "Short."):
        assert (await ada.ask(session, message)).status_code == httpx.codes.OK

    summaries = [request.messages for request in await provider.requests() if SUMMARY in str(request.messages[-1])]
    assert len(summaries) == 2
    assert all(len(str(messages)) < 6_000 for messages in summaries)
    assert _asked((await provider.requests())[-1].messages) == ["Short."]


async def test_a_session_that_is_answering_is_not_pruned(ada: Visitor, provider: ProviderStub, database: Database) -> None:
    session = await ada.open_session()
    await _talk(ada, session, 6)
    await provider.script(Text("slowly but surely", seconds_between=0.5))
    async with ada.streaming(session, "Wait for it.") as events:
        await provider.wait_until_asked(containing="Wait for it.")
        before = await _stored(database, session)
        assert await CheckpointTable(database.pool).prune(UUID(session), 1) == 0
        assert (await _stored(database, session))["checkpoints"] >= before["checkpoints"]
        assert [event async for event in events][-1].data["status"] == "completed"

    assert await CheckpointTable(database.pool).prune(UUID(session), 1) > 0
    assert await CheckpointTable(database.pool).prunable(UUID(int=0), 10) == []
    await _talk(ada, session, 1)
    assert len(_asked((await provider.requests())[-1].messages)) == 8
