"""Memories: their user's to see and to delete, with all that became of them, and nobody else's."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg

from tests.remembered import remember
from tests.visitor import Visitor


async def _listed(visitor: Visitor, **wanted: Any) -> list[str]:
    """What is remembered, as far as words go."""
    answer = await visitor.http.get("/memories", params=wanted)
    assert answer.status_code == httpx.codes.OK, answer.text
    return [item["text"] for item in answer.json()["items"]]


async def test_memories_are_listed_newest_first_page_by_page_whatever_is_deleted_meanwhile(
    ada: Visitor, bob: Visitor, database_url: str
) -> None:
    for number in range(7):
        remember(database_url, f"number {number}", age_minutes=100 - number)
    remember(database_url, "not Ada's", email="bob@example.com")
    with psycopg.connect(database_url, autocommit=True) as connection:  # a job makes several in the same moment
        connection.execute("UPDATE memory SET created_at = '2026-11-01 12:00:00.123456+00' WHERE payload ->> 'data' < 'number 4'")
    seen: list[str] = []
    cursor: str | None = None
    while len(seen) < 7:
        page = (await ada.http.get("/memories", params={"limit": 3, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["text"] for item in page["items"]]
        cursor = page["next_cursor"]
        last = page["items"][-1]["id"]
        assert (await ada.http.delete(f"/memories/{last}")).status_code == httpx.codes.NO_CONTENT
    assert (seen[:3], sorted(seen)) == (["number 6", "number 5", "number 4"], [f"number {number}" for number in range(7)])
    assert cursor is None
    assert await _listed(bob) == ["not Ada's"]


async def test_memories_are_found_by_a_part_of_their_text(ada: Visitor, database_url: str) -> None:
    for text in ("Lives in Oslo", "Is 100% sure", "Writes snake_case"):
        remember(database_url, text)
    for words, found in {"OSLO": ["Lives in Oslo"], "%": ["Is 100% sure"], "_": ["Writes snake_case"], "x": []}.items():
        assert await _listed(ada, q=words) == found


async def test_what_is_no_longer_true_is_told_as_history(ada: Visitor, database_url: str) -> None:
    now = remember(database_url, "Lives in Bergen")
    before = remember(database_url, "Lives in Oslo", replaced_by=now, age_minutes=9)
    assert await _listed(ada) == ["Lives in Bergen"]
    newer, older = (await ada.http.get("/memories", params={"include_closed": True})).json()["items"]
    assert (newer["id"], newer["closed_at"], newer["replaced_by"]) == (now, None, None)
    assert (older["id"], older["text"], older["replaced_by"]) == (before, "Lives in Oslo", now)
    assert older["created_at"] < newer["created_at"] < older["closed_at"]


async def test_a_fact_is_deleted_with_its_whole_history_and_nothing_else(ada: Visitor, database_url: str) -> None:
    eats = remember(database_url, "Eats no meat")
    remember(database_url, "Eats meat", replaced_by=eats)
    for which in ("first", "second", "last", "beside"):
        chain = {"last": remember(database_url, "Lives in Paris")}
        chain["second"] = remember(database_url, "Lives in Bergen", replaced_by=chain["last"])
        chain["beside"] = remember(database_url, "Works in Bergen", replaced_by=chain["last"])
        chain["first"] = remember(database_url, "Lives in Oslo", replaced_by=chain["second"])
        assert (await ada.http.delete(f"/memories/{chain[which]}")).status_code == httpx.codes.NO_CONTENT
        assert sorted(await _listed(ada, include_closed=True)) == ["Eats meat", "Eats no meat"], which
        again = await ada.http.delete(f"/memories/{chain[which]}")
        assert (again.status_code, again.json()["code"]) == (404, "memory_not_found")


async def test_nobody_deletes_what_is_remembered_of_another(ada: Visitor, bob: Visitor, database_url: str) -> None:
    adas = remember(database_url, "Lives in Oslo")
    remember(database_url, "Lives in Rome", email="bob@example.com")
    for unknown in (adas, uuid4()):
        refused = await bob.http.delete(f"/memories/{unknown}")
        assert (refused.status_code, refused.json()["code"]) == (404, "memory_not_found")
    assert (await bob.http.delete("/memories")).status_code == httpx.codes.NO_CONTENT
    assert (await _listed(ada), await _listed(bob)) == (["Lives in Oslo"], [])


async def test_all_is_deleted_at_once_with_its_history(ada: Visitor, database_url: str) -> None:
    remember(database_url, "Lives in Oslo", replaced_by=remember(database_url, "Lives in Bergen"))
    for _ in range(2):  # with nothing left it is no error
        assert (await ada.http.delete("/memories")).status_code == httpx.codes.NO_CONTENT
    assert await _listed(ada, include_closed=True) == []


async def test_what_is_no_cursor_of_ours_is_refused(ada: Visitor) -> None:
    for cursor in ("", "7", f"{10**17}-{uuid4()}", f"-1-{uuid4()}", str(uuid4()), f"5-{uuid4()}\n"):
        refused = await ada.http.get("/memories", params={"cursor": cursor})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor"), cursor


async def test_only_who_has_logged_in_may_see_or_delete(stranger: Visitor) -> None:
    answers = [
        await stranger.http.get("/memories"),
        await stranger.http.delete("/memories"),
        await stranger.http.delete(f"/memories/{uuid4()}"),
        await stranger.http.patch("/auth/me", json={"remembers": False}),
    ]
    assert {answer.json()["code"] for answer in answers} == {"not_authenticated"}


async def test_memory_is_switched_off_and_on_by_its_user(ada: Visitor, bob: Visitor, database_url: str) -> None:
    remember(database_url, "Lives in Oslo")
    assert (await ada.http.get("/auth/me")).json()["remembers"]
    for remembers in (False, True):
        changed = (await ada.http.patch("/auth/me", json={"remembers": remembers})).json()
        assert changed == (await ada.http.get("/auth/me")).json()
        assert (changed["remembers"], changed["email"]) == (remembers, "ada@example.com")
        assert (await bob.http.get("/auth/me")).json()["remembers"]
        assert await _listed(ada) == ["Lives in Oslo"]


async def test_memory_is_switched_off_and_on_in_a_session(ada: Visitor, bob: Visitor) -> None:
    made = (await ada.http.post("/sessions", json={"remembers": False})).json()
    place = f"/sessions/{made['id']}"
    assert (made["remembers"], made["temporary"], made["ends_at"]) == (False, False, None)
    renamed = (await ada.http.patch(place, json={"name": "Tax"})).json()
    assert (renamed["name"], renamed["name_is_final"], renamed["remembers"]) == ("Tax", True, False)
    switched = (await ada.http.patch(place, json={"remembers": True})).json()
    assert (switched["name"], switched["remembers"]) == ("Tax", True)
    assert switched == (await ada.http.get(place)).json() == (await ada.http.get("/sessions")).json()["items"][0]
    assert (await bob.http.patch(place, json={"remembers": False})).json()["code"] == "session_not_found"
    assert (await ada.http.patch(place, json={})).json()["code"] == "invalid_input"
    assert (await ada.http.get(place)).json() == switched


async def test_switching_memory_leaves_a_session_to_be_named(ada: Visitor) -> None:
    session = await ada.open_session("")
    switched = (await ada.http.patch(f"/sessions/{session}", json={"remembers": False})).json()
    assert (switched["name"], switched["name_is_final"]) == ("", False)
