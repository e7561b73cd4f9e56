"""Temporary sessions: never remembered, and gone with all there is of them when they end."""

from datetime import datetime, timedelta

import psycopg
import pytest

from app.settings import Settings
from app.wiring import open_services
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

LEFT = "SELECT (SELECT count(*) FROM session), (SELECT count(*) FROM message), (SELECT count(*) FROM checkpoints)"


async def _open(visitor: Visitor) -> str:
    return str((await visitor.http.post("/sessions", json={"temporary": True})).json()["id"])


@pytest.mark.variables(TEMPORARY_SESSION_HOURS="36")
async def test_a_temporary_session_is_not_remembered_and_says_when_it_ends(ada: Visitor) -> None:
    session = await _open(ada)
    read = (await ada.http.get(f"/sessions/{session}")).json()
    assert (read["temporary"], read["remembers"]) == (True, False)
    assert datetime.fromisoformat(read["ends_at"]) - datetime.fromisoformat(read["updated_at"]) == timedelta(hours=36)
    assert (await ada.http.get("/sessions")).json()["items"] == [read]
    refused = await ada.http.patch(f"/sessions/{session}", json={"remembers": True, "name": "Kept"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert (await ada.http.get(f"/sessions/{session}")).json() == read
    assert (await ada.http.patch(f"/sessions/{session}", json={"remembers": False, "name": "Short"})).json()["name"] == "Short"


async def test_a_temporary_session_that_is_to_be_remembered_is_refused(ada: Visitor) -> None:
    refused = await ada.http.post("/sessions", json={"temporary": True, "remembers": True})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert (await ada.http.get("/sessions")).json()["items"] == []


@pytest.mark.variables(RESPONSE_CACHE="true")
async def test_the_cache_keeps_nothing_of_a_temporary_session(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one", times=3))
    asked = [(await ada.ask(session, "Count", cache=True)).json() for session in (await _open(ada), await ada.open_session("Kept"))]
    assert [answer["from_cache"] for answer in asked] == [False, False]
    assert (await ada.ask(await ada.open_session(), "Count", cache=True)).json()["from_cache"]


async def test_a_worker_deletes_a_temporary_session_in_which_nothing_was_said_for_its_time(
    ada: Visitor, provider: ProviderStub, database_url: str, settings: Settings
) -> None:
    await provider.script(Text("Yes.", times=3))
    over, talking, ordinary = await _open(ada), await _open(ada), await ada.open_session("Ordinary")
    for session in (over, talking, ordinary):
        await ada.ask(session, "Secret?")
    async with open_services(settings) as services:
        with psycopg.connect(database_url, autocommit=True) as connection:
            for session, hours in ((over, 24.01), (talking, 23.99), (ordinary, 1000)):
                moment = "UPDATE session SET updated_at = now() - make_interval(secs => %s) WHERE id = %s"
                connection.execute(moment, [hours * 3600, session])
            assert connection.execute(LEFT).fetchone() > (3, 6, 0)  # type: ignore[operator]  # the tests' own numbers
            before = connection.execute("SELECT count(*) FROM checkpoints WHERE thread_id <> %s", [over]).fetchone()
            await services.queue.tasks["end_temporary_sessions"](timestamp=0)
            assert connection.execute(LEFT).fetchone() == (2, 4, *(before or ()))
    assert {item["id"] for item in (await ada.http.get("/sessions")).json()["items"]} == {talking, ordinary}


async def test_files_go_with_the_last_session_that_has_them(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("I see.", times=3))
    shared, own, cleared = [(await ada.http.post("/attachments", content=text)).json()["id"] for text in (b"1", b"2", b"3")]
    temporary, other = await _open(ada), await ada.open_session("Other")
    await ada.ask(temporary, "Look", attachments=[shared, own])
    await ada.ask(other, "Look", attachments=[shared, cleared])
    await ada.http.delete(f"/sessions/{temporary}")
    assert [(await ada.http.get(f"/attachments/{one}")).status_code for one in (shared, own, cleared)] == [200, 404, 200]
    await ada.http.delete(f"/sessions/{other}/messages")
    assert [(await ada.http.get(f"/attachments/{one}")).status_code for one in (shared, cleared)] == [404, 404]
