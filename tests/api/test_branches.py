"""Saying something again: the conversation branches, and either way can be gone on with."""

from typing import Any
from uuid import uuid4

import httpx

from tests.stub.answers import Text
from tests.stub.client import ProviderStub, Request
from tests.visitor import Visitor, events_of, text_of, types_of


async def _said(visitor: Visitor, session: str) -> list[str]:
    return [message["content"] for message in await visitor.messages(session)]


async def _branches(visitor: Visitor, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await visitor.http.get(f"/sessions/{session}/branches")).json()
    return found


def _conversation(request: Request) -> list[str]:
    return [message["content"] for message in request.messages if message["role"] != "system"]


async def test_the_last_answer_is_made_again_and_the_first_one_kept(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Hello."), Text("Four."), Text("4."), Text("Five."))
    session = await ada.open_session()
    await ada.ask(session, "Hi")
    first = (await ada.ask(session, "2+2?")).json()
    again = (await ada.http.post(f"/sessions/{session}/regenerate", json={})).json()
    assert again["message"]["content"] == "4."
    assert await _said(ada, session) == ["Hi", "Hello.", "2+2?", "4."]
    assert _conversation((await provider.requests())[-1]) == ["Hi", "Hello.", "2+2?"]

    branches = await _branches(ada, session)
    assert [(branch["run_id"], branch["text"], branch["is_shown"]) for branch in branches] == [
        (first["run_id"], "2+2?", False),
        (again["run_id"], "2+2?", True),
    ]
    assert branches[0]["parent_id"] == branches[1]["parent_id"]
    switched = await ada.http.put(f"/sessions/{session}/branch", json={"run_id": first["run_id"]})
    assert switched.status_code == httpx.codes.NO_CONTENT
    assert await _said(ada, session) == ["Hi", "Hello.", "2+2?", "Four."]
    await ada.ask(session, "And one?")
    assert _conversation((await provider.requests())[-1]) == ["Hi", "Hello.", "2+2?", "Four.", "And one?"]


async def test_an_earlier_message_is_edited_and_what_followed_it_kept(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Hello Ada."), Text("Fine."), Text("Hello Bob."), Text("Great."))
    session = await ada.open_session()
    await ada.ask(session, "I am Ada")
    old = (await ada.ask(session, "How are you?")).json()
    first_message = (await ada.messages(session))[0]["id"]
    async with ada.streaming(session, "I am Bob", instead_of=first_message) as stream:
        events = [event async for event in stream]
    assert types_of(events) == ["start", "token", "usage", "end"]
    assert _conversation((await provider.requests())[-1]) == ["I am Bob"]
    assert await _said(ada, session) == ["I am Bob", "Hello Bob."]
    await ada.ask(session, "How are you?")
    assert await _said(ada, session) == ["I am Bob", "Hello Bob.", "How are you?", "Great."]
    # Back to a run in the middle: shown is the latest way on from there.
    ada_run = next(branch["run_id"] for branch in await _branches(ada, session) if branch["text"] == "I am Ada")
    await ada.http.put(f"/sessions/{session}/branch", json={"run_id": ada_run})
    assert await _said(ada, session) == ["I am Ada", "Hello Ada.", "How are you?", "Fine."]
    assert (await ada.messages(session))[-1]["run_id"] == old["run_id"]


async def test_a_streamed_regeneration_under_a_key_is_made_once(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one"), Text("two"), Text("three"))
    session = await ada.open_session()
    await ada.ask(session, "Count")
    path, key = f"/sessions/{session}/regenerate/stream", {"Idempotency-Key": "again"}
    texts = []
    for _ in range(2):
        async with ada.http.stream("POST", path, json={}, headers=key) as answer:
            texts.append(text_of([event async for event in events_of(answer)]))
    assert texts == ["two", "two"]
    assert len(await provider.requests()) == 2


async def test_the_first_page_of_a_long_branch_and_the_one_before_it(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(*(Text(f"Answer {number}") for number in range(6)))
    session = await ada.open_session()
    for number in range(5):
        await ada.ask(session, f"Message {number}")
    await ada.http.post(f"/sessions/{session}/regenerate", json={})
    page = (await ada.http.get(f"/sessions/{session}/messages", params={"limit": 3})).json()
    before = (await ada.http.get(f"/sessions/{session}/messages", params={"limit": 4, "before": page["next_before"]})).json()
    assert [message["content"] for message in page["items"]] == ["Answer 3", "Message 4", "Answer 5"]
    assert [message["content"] for message in before["items"]] == ["Answer 1", "Message 2", "Answer 2", "Message 3"]


async def test_what_is_not_there_cannot_be_said_again(ada: Visitor, bob: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Hello."))
    empty, session, his = await ada.open_session(), await ada.open_session(), await bob.open_session()
    run = (await ada.ask(session, "Hi")).json()
    message = (await ada.messages(session))[0]["id"]
    refused = [
        await ada.http.post(f"/sessions/{empty}/regenerate", json={}),
        await ada.http.post(f"/sessions/{session}/regenerate", json={"message_id": str(uuid4())}),
        await ada.ask(empty, "Hi", instead_of=message),
        await bob.ask(his, "Hi", instead_of=message),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(404, "message_not_found")}
    for visitor, place in ((ada, empty), (bob, his)):
        switched = await visitor.http.put(f"/sessions/{place}/branch", json={"run_id": run["run_id"]})
        assert (switched.status_code, switched.json()["code"]) == (404, "branch_not_found")
    waits = await ada.ask(session, "Hi", instead_of=message, on_busy="enqueue")
    assert (waits.status_code, waits.json()["code"]) == (422, "invalid_input")


async def test_branches_are_not_switched_while_one_is_being_answered(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one"), Text("two"), Text("three four", ending="hang", after=1))
    session = await ada.open_session()
    first = (await ada.ask(session, "Count")).json()["run_id"]
    await ada.http.post(f"/sessions/{session}/regenerate", json={})
    async with ada.streaming(session, "On", on_disconnect="cancel") as events:
        live = (await anext(events)).data["run_id"]
        refused = await ada.http.put(f"/sessions/{session}/branch", json={"run_id": first})
    assert (refused.status_code, refused.json()["code"], refused.json()["active_run_id"]) == (409, "session_busy", live)
