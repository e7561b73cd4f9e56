"""Time travel: what the agent knew step by step, and running on from any of it."""

from typing import Any
from uuid import uuid4

import psycopg

from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub, Request
from tests.visitor import Visitor, events_of, text_of, types_of

SUM = ToolCalls([ToolCall("calculate", {"expression": "2+2"}, id="sum")])
# Takes longer than anything that is written behind may wait, however busy the machine is.
FOUR = Text(pieces=[*"Four."], seconds_between=0.5)
SLOW = Text(pieces=[*"Slow."], seconds_between=0.5)
RENAME = ToolCalls([ToolCall("rename_session", {"name": "Oslo"}, id="rename")])


async def _checkpoints(visitor: Visitor, session: str, **query: Any) -> list[dict[str, Any]]:
    """Newest first."""
    answer = await visitor.http.get(f"/sessions/{session}/checkpoints", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def _said(visitor: Visitor, session: str) -> list[str]:
    return [message["content"] for message in await visitor.messages(session)]


def _conversation(request: Request) -> list[str]:
    return [str(message["content"]) for message in request.messages if message["role"] != "system"]


async def test_every_step_that_is_kept_is_listed_and_can_be_looked_at(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(SUM, FOUR)
    session = await ada.open_session()
    run = (await ada.ask(session, "2+2?")).json()["run_id"]
    found = await _checkpoints(ada, session)
    assert {one["run_id"] for one in found} == {run}
    assert [one["id"] for one in found] == sorted((one["id"] for one in found), reverse=True)
    assert (found[0]["next"], found[0]["ends_run"], found[0]["message_count"]) == ([], True, 4)
    assert not any(one["ends_run"] for one in found[1:])
    before_answer = next(one for one in found if one["next"] == ["respond"] and one["message_count"] == 3)

    state = (await ada.http.get(f"/sessions/{session}/checkpoints/{before_answer['id']}")).json()
    assert {name: state[name] for name in before_answer} == before_answer
    user, call, result = state["messages"]
    assert (user["role"], user["content"]) == ("user", "2+2?")
    assert call["tool_calls"] == [{"id": "sum", "name": "calculate", "args": {"expression": "2+2"}}]
    assert (result["role"], result["content"], result["tool_call_id"], result["is_error"]) == ("tool", "4", "sum", False)
    assert state["summary"] == ""


async def test_the_list_comes_in_pages(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("One."), Text("Two."))
    session = await ada.open_session()
    await ada.ask(session, "1")
    await ada.ask(session, "2")
    whole = await _checkpoints(ada, session)
    page = (await ada.http.get(f"/sessions/{session}/checkpoints", params={"limit": 1})).json()
    assert page["items"] == whole[:1]
    assert page["next_before"] == whole[0]["id"]
    assert await _checkpoints(ada, session, before=page["next_before"]) == whole[1:]
    assert (await ada.http.get(f"/sessions/{session}/checkpoints", params={"before": whole[-1]["id"]})).json() == {
        "items": [],
        "next_before": None,
    }


async def test_a_message_after_an_earlier_run_begins_another_branch(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Hello."), Text("Four."), Text("Oslo."))
    session = await ada.open_session()
    first = (await ada.ask(session, "Hi")).json()["run_id"]
    await ada.ask(session, "2+2?")
    end = next(one for one in await _checkpoints(ada, session) if one["run_id"] == first and one["ends_run"])
    answer = (await ada.http.post(f"/sessions/{session}/replay", json={"checkpoint_id": end["id"], "message": "Where?"})).json()
    assert answer["message"]["content"] == "Oslo."
    assert _conversation((await provider.requests())[-1]) == ["Hi", "Hello.", "Where?"]
    assert await _said(ada, session) == ["Hi", "Hello.", "Where?", "Oslo."]
    branches = (await ada.http.get(f"/sessions/{session}/branches")).json()
    assert [branch["text"] for branch in branches] == ["2+2?", "Where?"]


async def test_without_a_message_the_steps_after_it_are_made_anew_and_those_before_kept(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(SUM, FOUR, Text("It is 4."))
    session = await ada.open_session()
    first = (await ada.ask(session, "2+2?")).json()["usage"]
    before_answer = next(one for one in await _checkpoints(ada, session) if one["next"] == ["respond"] and one["message_count"] == 3)
    path = f"/sessions/{session}/replay/stream"
    async with ada.http.stream("POST", path, json={"checkpoint_id": before_answer["id"]}) as stream:
        events = [event async for event in events_of(stream)]
    assert types_of(events) == ["start", "tool_call", "tool_result", "token", "usage", "end"]
    assert text_of(events) == "It is 4."
    requests = await provider.requests()
    assert len(requests) == 3, "the call of the tool was not asked for again"
    assert _conversation(requests[-1]) == _conversation(requests[-2])
    usage = next(event.data for event in events if event.type == "usage")
    spent = (await ada.http.get("/usage")).json()["total"]
    assert usage["total_tokens"] + first["total_tokens"] == spent["input_tokens"] + spent["output_tokens"], "nothing is paid twice"

    said = await ada.messages(session)
    assert [message["content"] for message in said] == ["2+2?", "It is 4."]
    assert [call["content"] for call in said[-1]["tool_calls"]] == ["4"]
    branches = (await ada.http.get(f"/sessions/{session}/branches")).json()
    assert [branch["is_shown"] for branch in branches] == [False, True]
    await provider.script(Text("Bye."))
    await ada.ask(session, "Thanks")
    assert _conversation((await provider.requests())[-1])[-3:] == ["4", "It is 4.", "Thanks"]
    # And the way it took at first is as it was.
    await ada.http.put(f"/sessions/{session}/branch", json={"run_id": branches[0]["run_id"]})
    assert await _said(ada, session) == ["2+2?", "Four."]


async def test_a_question_is_asked_again_and_may_be_answered_otherwise(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("Done."), Text("As you like."))
    session = await ada.open_session("Trip")
    first = (await ada.ask(session, "Call it Oslo")).json()
    [asked] = first["interrupts"]
    answered = await ada.http.post(
        f"/sessions/{session}/resume", json={"interrupt_id": asked["id"], "value": {"approved": False, "comment": "No."}}
    )
    assert answered.json()["message"]["content"] == "Done."
    asking = next(one for one in await _checkpoints(ada, session) if one["run_id"] == first["run_id"] and one["ends_run"])
    for _ in range(2):  # the second time from where the first one asks
        again = (await ada.http.post(f"/sessions/{session}/replay", json={"checkpoint_id": asking["id"]})).json()
        assert again["status"] == "interrupted"
        [question] = again["interrupts"]
        asking = next(one for one in await _checkpoints(ada, session) if one["run_id"] == again["run_id"] and one["ends_run"])
    reply = {"interrupt_id": question["id"], "value": {"approved": True}}
    end = (await ada.http.post(f"/sessions/{session}/resume", json=reply)).json()
    assert (end["status"], end["message"]["content"]) == ("completed", "As you like.")
    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] == "Oslo"


async def test_where_a_message_cannot_be_said_or_nothing_is_left_to_do_is_told(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(SLOW)
    session = await ada.open_session()
    await ada.ask(session, "Hi")
    end, *_, middle = await _checkpoints(ada, session)
    path = f"/sessions/{session}/replay"
    idle = await ada.http.post(path, json={"checkpoint_id": end["id"]})
    assert (idle.status_code, idle.json()["code"]) == (422, "invalid_input")
    assert "Nothing is left" in idle.json()["detail"]
    assert middle["next"] != []
    early = await ada.http.post(path, json={"checkpoint_id": middle["id"], "message": "Wait"})
    assert (early.status_code, early.json()["code"]) == (422, "invalid_input")
    assert await _said(ada, session) == ["Hi", "Slow."]


async def test_a_checkpoint_that_is_not_there_or_was_undone_is_not_found(ada: Visitor, bob: Visitor, provider: ProviderStub) -> None:
    session, other = await ada.open_session(), await ada.open_session()
    await provider.script(Text("Hello."), Text("Never.", seconds_between=0.5), Text("Instead."))
    await ada.ask(session, "Hi")
    [*_, first] = await _checkpoints(ada, session)
    for where in (f"/sessions/{other}/checkpoints/{first['id']}", f"/sessions/{session}/checkpoints/{uuid4()}"):
        missing = await ada.http.get(where)
        assert (missing.status_code, missing.json()["code"]) == (404, "checkpoint_not_found")
    foreign = await ada.http.post(f"/sessions/{other}/replay", json={"checkpoint_id": first["id"]})
    assert (foreign.status_code, foreign.json()["code"]) == (404, "checkpoint_not_found")
    assert (await bob.http.get(f"/sessions/{session}/checkpoints")).json()["code"] == "session_not_found"

    async with ada.streaming(session, "Undo me") as events:
        undone = (await anext(events)).data["run_id"]
        await ada.ask(session, "This instead", on_busy="rollback")
    assert undone not in {one["run_id"] for one in await _checkpoints(ada, session)}


async def test_a_busy_session_is_not_run_on_from_and_a_pruned_checkpoint_is_gone(
    ada: Visitor, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text("Hello."), SLOW)
    session = await ada.open_session()
    first = (await ada.ask(session, "Hi")).json()["run_id"]
    end = (await _checkpoints(ada, session))[0]
    body = {"checkpoint_id": end["id"], "message": "More"}
    async with ada.streaming(session, "Slowly") as events:
        run = (await anext(events)).data["run_id"]
        busy = await ada.http.post(f"/sessions/{session}/replay", json=body)
        assert (busy.status_code, busy.json()["code"], busy.json()["active_run_id"]) == (409, "session_busy", run)
        _ = [event async for event in events]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM checkpoints WHERE metadata ->> 'milepost_run' = %s", [first])
    assert first not in {one["run_id"] for one in await _checkpoints(ada, session)}
    gone = await ada.http.post(f"/sessions/{session}/replay", json=body)
    assert (gone.status_code, gone.json()["code"]) == (404, "checkpoint_not_found")
    # What is kept, but not what its turn began at.
    middle = next(one for one in await _checkpoints(ada, session) if one["next"])
    too_old = await ada.http.post(f"/sessions/{session}/replay", json={"checkpoint_id": middle["id"]})
    assert (too_old.status_code, too_old.json()["code"]) == (410, "turn_too_old")
    assert await _said(ada, session) == ["Hi", "Hello.", "Slowly", "Slow."]


async def test_the_same_key_means_the_same_run(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Hello."), Text("Once."))
    session = await ada.open_session()
    await ada.ask(session, "Hi")
    body = {"checkpoint_id": (await _checkpoints(ada, session))[0]["id"], "message": "More"}
    sent = [await ada.http.post(f"/sessions/{session}/replay", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert sent[0].json()["run_id"] == sent[1].json()["run_id"]
    other = await ada.http.post(f"/sessions/{session}/replay", json=body | {"message": "Else"}, headers={"Idempotency-Key": "k"})
    assert other.json()["code"] == "idempotency_key_reused"
