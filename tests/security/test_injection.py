"""Strings that mean something to a database, a log, a template or a shell mean nothing here: they come back as they were sent."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import psycopg

from tests.conftest import Server
from tests.security.owned import rows
from tests.security.routes import Route, routes_of
from tests.security.strings import ON_ONE_LINE, WITH_LINES
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of

ALL: Final = {**ON_ONE_LINE, **WITH_LINES}


async def test_names_come_back_as_they_were_sent(ada: Visitor, database_url: str) -> None:
    """And so do instructions and what was thought of an answer; a search finds a name by any part of it, and no other."""
    session = await ada.open_session()
    for name in ON_ONE_LINE.values():
        made = (await ada.http.post("/sessions", json={"name": name})).json()
        changed = (await ada.http.patch(f"/sessions/{made['id']}", json={"config": {"instructions": name}})).json()
        assert (made["name"], changed["name"], changed["config"]) == (name, name, {"instructions": name})
        assert [one["id"] for one in (await ada.http.get("/sessions", params={"q": name})).json()["items"]] == [made["id"]]
    answer = (await ada.ask(session, "Hello")).json()["message"]["id"]
    for comment in ALL.values():
        given = await ada.http.post(f"/messages/{answer}/feedback", json={"score": 1, "comment": comment[:2_000]})
        assert given.status_code == httpx.codes.NO_CONTENT
        with psycopg.connect(database_url) as connection:
            assert connection.execute("SELECT comment FROM feedback").fetchall() == [(comment[:2_000],)]
    assert (await ada.http.get(f"/sessions/{session}")).is_success


async def test_what_is_said_and_answered_comes_back_as_it_was(ada: Visitor, provider: ProviderStub) -> None:
    for text in ALL.values():
        await provider.script(Text(pieces=(text[: len(text) // 2], text[len(text) // 2 :])))
        session = await ada.open_session()
        events = await ada.stream(session, text)
        assert text_of(events) == text
        assert [event.type for event in events].count("end") == 1
        assert [message["content"] for message in await ada.messages(session)] == [text, text]
        asked = (await provider.requests())[-1]
        assert asked.messages[-1]["content"] == text


async def test_a_files_name_is_a_name_and_no_path(ada: Visitor) -> None:
    for name in ALL.values():
        kept = (await ada.http.post("/attachments", params={"name": name[:900]}, content=b"words")).json()
        assert not {*"/\\\n\r\x1b"} & {*kept["name"]}
        read = await ada.http.get(f"/attachments/{kept['id']}")
        assert (read.content, read.headers.get_list("set-cookie")) == (b"words", [])
        assert read.headers["content-disposition"].isascii()


def _texts(route: Route, schema: Mapping[str, Any]) -> Iterator[str]:
    """The fields of a body that take any text."""
    for name, field in route.resolved(schema).get("properties", {}).items():
        found = route.resolved(field)
        if found.get("type") == "string" and not {"enum", "const", "format", "pattern"} & {*found}:
            yield name


async def test_no_text_field_breaks_the_server_or_reaches_another_row(
    server: Server, ada: Visitor, bob: Visitor, database_url: str
) -> None:
    """Each field of each body of the document, with each string, and each text in a query."""
    await bob.open_session("Bob's")
    session = await ada.open_session()
    before = rows(database_url)
    things = {"session_id": session, "message_id": session, "interrupt_id": "x", "checkpoint_id": session, "run_id": session}
    tried = 0
    for route in await routes_of(server.url):
        if route.streams or route.path.endswith("/chat"):
            continue  # as the tests above have them
        address = server.url + route.path.format(**dict.fromkeys(route.names("path"), session))
        for form, body in route.body(things).items():
            contents = route.operation["requestBody"]["content"].values()
            for field in [name for content in contents for name in _texts(route, content["schema"])] if form in {"json", "data"} else ():
                # A hash for each password would take minutes and prove no more.
                for text in [*ALL.values()][: 3 if {"password"} & body.keys() else None]:
                    sent: dict[str, Any] = {form: {**body, field: text}}
                    answer = await ada.http.request(route.method, address, **sent)
                    assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, (str(route), field, text, answer.text)
                    tried += 1
        for name in {*route.names("query")} if route.method == "get" else ():
            for text in ALL.values():
                answer = await ada.http.get(address, params={name: text[:2_000]})
                assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, (str(route), name, text, answer.text)
                tried += 1
    assert tried > 200
    lost = {row for row in before - rows(database_url) if session not in row[1]}
    assert {table for table, _ in lost} <= {"user"}, lost  # a user's own `remembers` may have changed
