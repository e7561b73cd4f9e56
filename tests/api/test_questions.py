"""Questions to people: a tool that needs approval waits for it, and goes on where it was."""

import asyncio
import json
from typing import Any, Final
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, events_of, text_of, types_of

RENAMES: Final = ToolCalls([ToolCall("calculate", {"expression": "6*7"}), ToolCall("rename_session", {"name": "Oslo"})])
TWICE: Final = ToolCalls([ToolCall("rename_session", {"name": "Oslo"}), ToolCall("rename_session", {"name": "Bergen"})])
YES: Final = {"approved": True}
NO: Final = {"approved": False, "comment": "Not now."}


async def _asked(visitor: Visitor, session: str) -> list[dict[str, Any]]:
    answer = (await visitor.ask(session, "Please rename it")).json()
    assert answer["status"] == "interrupted"
    questions: list[dict[str, Any]] = answer["interrupts"]
    return questions


async def _resume(visitor: Visitor, session: str, **reply: Any) -> httpx.Response:
    # As JSON of our own, for httpx's refuses what a client may send all the same.
    body, headers = json.dumps(reply), {"Content-Type": "application/json"}
    return await visitor.http.post(f"/sessions/{session}/resume", content=body, headers=headers)


async def _state(visitor: Visitor, session: str) -> dict[str, Any]:
    state: dict[str, Any] = (await visitor.http.get(f"/sessions/{session}/state")).json()
    return state


def _results(messages: Any) -> list[str]:
    return [message["content"] for message in messages if message["role"] == "tool"]


async def test_a_stream_ends_with_the_question_and_another_goes_on_after_the_answer(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAMES, Text("Done."))
    session = await ada.open_session()
    events = await ada.stream(session, "Please rename it")
    assert sorted(types_of(events)[1:4]) == ["tool_call", "tool_call", "tool_result"]
    assert types_of(events)[4:] == ["usage", "interrupt", "end"]
    question = events[-2].data
    assert events[-1].data["status"] == "interrupted"
    call_id = question["value"]["call_id"]
    assert question["value"] == {"kind": "approval", "call_id": call_id, "tool": "rename_session", "args": {"name": "Oslo"}}
    assert await ada.read_on(events[0].data["run_id"]) == events

    state = await _state(ada, session)
    assert (state["live_run_id"], [one["id"] for one in state["interrupts"]]) == (None, [question["id"]])
    assert set(state["next"]) == {"tools"}
    reply = {"interrupt_id": question["id"], "value": YES}
    async with ada.http.stream("POST", f"/sessions/{session}/resume/stream", json=reply) as answer:
        rest = [event async for event in events_of(answer)]
    assert types_of(rest) == ["start", "tool_call", "tool_result", "token", "usage", "end"]
    assert rest[1].data["id"] == call_id == rest[2].data["id"]
    assert (text_of(rest), rest[-1].data["status"]) == ("Done.", "completed")
    assert rest[0].data["run_id"] != events[0].data["run_id"]

    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] == "Oslo"
    assert _results((await provider.requests())[-1].messages) == ["42", "The conversation is now called “Oslo”."]
    assert [(one["role"], one["status"]) for one in await ada.messages(session)] == [
        ("user", "completed"),
        ("assistant", "interrupted"),
        ("assistant", "completed"),
    ]
    assert (await _state(ada, session))["interrupts"] == []


async def test_a_refusal_is_told_to_the_model_with_its_reason(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAMES, Text("As you like."))
    session = await ada.open_session("Kept")
    (question,) = await _asked(ada, session)
    assert (await _resume(ada, session, interrupt_id=question["id"], value=NO)).json()["message"]["content"] == "As you like."
    assert _results((await provider.requests())[-1].messages) == ["42", "The user refused this call, and said: Not now."]
    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] == "Kept"


async def test_several_questions_are_answered_at_once(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(TWICE, Text("Done."))
    session = await ada.open_session()
    first, second = await _asked(ada, session)
    answers = [{"interrupt_id": first["id"], "value": NO}, {"interrupt_id": second["id"], "value": YES}]
    assert (await _resume(ada, session, answers=answers)).json()["status"] == "completed"
    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] == second["value"]["args"]["name"]


async def test_a_question_that_is_left_open_is_asked_again_and_what_is_done_stays_done(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(TWICE, Text("Done."))
    session = await ada.open_session()
    first, second = await _asked(ada, session)
    part = (await _resume(ada, session, interrupt_id=first["id"], value=YES)).json()
    assert (part["status"], [one["id"] for one in part["interrupts"]]) == ("interrupted", [second["id"]])
    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] == first["value"]["args"]["name"]
    await ada.http.patch(f"/sessions/{session}", json={"name": "Mine"})
    assert (await _resume(ada, session, interrupt_id=second["id"], value=NO)).json()["status"] == "completed"
    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] == "Mine"  # the first call was not made again


async def test_an_answer_must_fit_its_question(ada: Visitor, bob: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAMES)
    session = await ada.open_session()
    (question,) = await _asked(ada, session)
    mine = question["id"]
    unkept = ("\0", "\ud800", 2**64, _nested(60), _nested(3_000), {"approved": False, "comment": "a\0b"})
    wrong = {
        (422, "invalid_answer"): [
            {"interrupt_id": mine, "value": value} for value in (None, "yes", {}, {"approved": "yes"}, {**YES, "x": 1})
        ],
        (404, "interrupt_not_found"): [{"interrupt_id": "nobody-asked", "value": YES}],
        (422, "invalid_input"): [
            *({"interrupt_id": mine, "value": value} for value in unkept),
            {},
            {"value": YES},
            {"interrupt_id": mine, "value": YES, "answers": [{"interrupt_id": mine, "value": YES}]},
            {"answers": [{"interrupt_id": mine, "value": YES}, {"interrupt_id": mine, "value": NO}]},
        ],
    }
    for told, replies in wrong.items():
        for reply in replies:
            answer = await _resume(ada, session, **reply)
            assert (answer.status_code, answer.json()["code"]) == told, reply
    his = await _resume(bob, session, interrupt_id=mine, value=YES)
    assert (his.status_code, his.json()["code"]) == (404, "session_not_found")
    stolen = await _resume(bob, await bob.open_session(), interrupt_id=mine, value=YES)
    assert (stolen.status_code, stolen.json()["code"]) == (404, "interrupt_not_found")
    assert [one["id"] for one in (await _state(ada, session))["interrupts"]] == [mine]


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


async def test_of_two_answers_at_once_one_counts(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(RENAMES, Text("Done.", seconds_between=0.1))
    session = await ada.open_session()
    (question,) = await _asked(ada, session)
    both = await asyncio.gather(*(_resume(ada, session, interrupt_id=question["id"], value=value) for value in (YES, NO)))
    assert sorted(answer.status_code for answer in both) in ([200, 404], [200, 409])
    assert len(await provider.requests()) == 2
    with psycopg.connect(database_url) as connection:
        rows = connection.execute('SELECT outcome, answered_by = "user".id FROM interrupt, "user"').fetchall()
    assert rows == [("answered", True)]


async def test_an_answer_sent_again_under_its_key_counts_once(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAMES, Text("Done."))
    session = await ada.open_session()
    (question,) = await _asked(ada, session)
    path, reply, key = f"/sessions/{session}/resume", {"interrupt_id": question["id"], "value": YES}, {"Idempotency-Key": "yes"}
    both = [(await ada.http.post(path, json=reply, headers=key)).json() for _ in range(2)]
    assert both[0] == both[1]
    other = await ada.http.post(path, json={**reply, "value": NO}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_message_instead_of_an_answer_withdraws_the_question(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAMES, Text("All right."))
    session = await ada.open_session()
    (question,) = await _asked(ada, session)
    assert (await ada.ask(session, "What is the weather?")).json()["message"]["content"] == "All right."
    told = (await provider.requests())[-1].messages
    assert _results(told)[0] == "42"
    assert "went on without answering" in _results(told)[1]
    assert [message["role"] for message in told] == ["system", "user", "assistant", "tool", "tool", "user"]
    late = await _resume(ada, session, interrupt_id=question["id"], value=YES)
    assert (late.status_code, late.json()["code"]) == (404, "interrupt_not_found")


@pytest.mark.variables(QUESTION_EXPIRY_HOURS="0.0005", WORKER_IN_SERVER="true")  # two seconds
async def test_a_question_that_nobody_answers_in_time_is_told_to_the_model(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(RENAMES, Text("I waited in vain."))
    session = await ada.open_session("Kept")
    (question,) = await _asked(ada, session)
    asked = await provider.wait_until_asked(2, seconds=40)
    assert "Nobody answered in time" in _results(asked.messages)[1]
    async with asyncio.timeout(40):
        while (await ada.messages(session))[-1]["content"] != "I waited in vain.":  # noqa: ASYNC110  # a worker makes it true
            await asyncio.sleep(0.05)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT outcome, answered_by FROM interrupt").fetchall() == [("expired", None)]
    late = await _resume(ada, session, interrupt_id=question["id"], value=YES)
    assert late.json()["code"] == "interrupt_not_found"


@pytest.mark.variables(QUESTION_EXPIRY_HOURS="0.00001")
async def test_an_answer_after_its_time_is_refused(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAMES)
    session = await ada.open_session()
    (question,) = await _asked(ada, session)
    await asyncio.sleep(0.1)  # longer than it can be answered
    late = await _resume(ada, session, interrupt_id=question["id"], value=YES)
    assert (late.status_code, late.json()["code"]) == (410, "interrupt_expired")
    assert (await _state(ada, session))["interrupts"] == []


async def test_a_question_belongs_to_its_branch(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAMES, Text("Without a tool."), Text("Done."))
    session = await ada.open_session()
    (question,) = await _asked(ada, session)
    asking = (await ada.messages(session))[0]["run_id"]
    await ada.http.post(f"/sessions/{session}/regenerate", json={})
    assert (await _state(ada, session))["interrupts"] == []
    assert (await _resume(ada, session, interrupt_id=question["id"], value=YES)).json()["code"] == "interrupt_not_found"
    await ada.http.put(f"/sessions/{session}/branch", json={"run_id": asking})
    assert (await _resume(ada, session, interrupt_id=question["id"], value=YES)).json()["message"]["content"] == "Done."


async def test_a_resumed_turn_is_regenerated_whole(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAMES, Text("Done."), Text("Only words."))
    session = await ada.open_session()
    (question,) = await _asked(ada, session)
    await _resume(ada, session, interrupt_id=question["id"], value=YES)
    again = (await ada.http.post(f"/sessions/{session}/regenerate", json={})).json()
    assert again["message"]["content"] == "Only words."
    assert [message["role"] for message in (await provider.requests())[-1].messages] == ["system", "user"]
    assert [message["content"] for message in await ada.messages(session)] == ["Please rename it", "Only words."]


async def test_nothing_is_asked_where_no_question_is(ada: Visitor) -> None:
    answer = await _resume(ada, await ada.open_session(), interrupt_id=uuid4().hex, value=YES)
    assert (answer.status_code, answer.json()["code"]) == (404, "interrupt_not_found")
