"""What operators see and do over the API, and that nobody else does."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import psycopg
import pytest
import pytest_asyncio

from tests.persistence.clients import ask, eventually
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor

# The same in every process: pytest's workers must agree on the names of tests.
NOBODY = "01a1ffd0-4f31-7523-9ca0-f42ebe910c14"


async def _id_of(visitor: Visitor) -> str:
    return str((await visitor.http.get("/auth/me")).json()["id"])


@pytest_asyncio.fixture
async def admin(bob: Visitor, database_url: str) -> AsyncIterator[Visitor]:
    """Bob, who is an administrator here."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("""UPDATE "user" SET role = 'admin' WHERE id = %s""", [await _id_of(bob)])
    yield bob


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/users"),
        ("GET", f"/admin/users/{NOBODY}"),
        ("PATCH", f"/admin/users/{NOBODY}"),
        ("POST", f"/admin/users/{NOBODY}/revoke"),
        ("GET", "/admin/audit"),
        ("GET", "/admin/audit/export"),
    ],
)
async def test_who_is_no_administrator_hears_that_before_anything_else(method: str, path: str, ada: Visitor) -> None:
    refused = await ada.http.request(method, path, json={"tier": "pro"} if method == "PATCH" else None)
    assert (refused.status_code, refused.json()["code"]) == (403, "admin_only")


async def test_users_are_found_page_by_page_and_by_what_is_known_of_them(admin: Visitor, ada: Visitor) -> None:
    first = (await admin.http.get("/admin/users", params={"limit": 1})).json()
    second = (await admin.http.get("/admin/users", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [page["items"][0]["email"] for page in (first, second)] == ["ada@example.com", "bob@example.com"]
    assert second["next_cursor"] is None
    for search, found in (({"q": "ADA@"}, 1), ({"q": "%"}, 0), ({"role": "admin"}, 1), ({"tier": "pro"}, 0), ({"disabled": False}, 2)):
        assert len((await admin.http.get("/admin/users", params=search)).json()["items"]) == found, search
    assert (await admin.http.get(f"/admin/users/{await _id_of(ada)}")).json()["tier"] == "free"
    assert (await admin.http.get(f"/admin/users/{uuid4()}")).json()["code"] == "user_not_found"


async def test_a_change_is_made_and_noted_with_who_made_it(admin: Visitor, ada: Visitor) -> None:
    ada_id = await _id_of(ada)
    changed = await admin.http.patch(f"/admin/users/{ada_id}", json={"tier": "pro"})
    assert (changed.status_code, changed.json()["tier"], changed.json()["role"]) == (200, "pro", "user")
    assert (await ada.http.get("/auth/me")).json()["tier"] == "pro"
    noted = (await admin.http.get("/admin/audit", params={"event": "account_changed"})).json()["items"]
    assert [(entry["user_id"], entry["actor_id"], entry["address"], entry["details"]) for entry in noted] == [
        (ada_id, await _id_of(admin), "127.0.0.1", {"tier": "pro"})
    ]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({}, 422, "invalid_input"),
        ({"tier": "gold"}, 422, "unknown_tier"),
        ({"role": "owner"}, 422, "invalid_input"),
        ({"disabled": "yes"}, 422, "invalid_input"),
        ({"email": "eve@example.com"}, 422, "invalid_input"),
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(
    change: dict[str, object], status: int, code: str, admin: Visitor, ada: Visitor
) -> None:
    before = (await ada.http.get("/auth/me")).json()
    refused = await admin.http.patch(f"/admin/users/{before['id']}", json=change)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert (await ada.http.get("/auth/me")).json() == before
    assert (await admin.http.patch(f"/admin/users/{uuid4()}", json={"tier": "pro"})).json()["code"] == "user_not_found"


@pytest.mark.parametrize("change", [{"role": "user"}, {"disabled": True}])
async def test_nobody_takes_their_own_rights_away(change: dict[str, object], admin: Visitor) -> None:
    refused = await admin.http.patch(f"/admin/users/{await _id_of(admin)}", json=change)
    assert (refused.status_code, refused.json()["code"]) == (409, "own_account")
    assert (await admin.http.get("/admin/users")).status_code == httpx.codes.OK


async def test_who_is_shut_out_is_out_at_once_and_what_they_asked_is_stopped(
    admin: Visitor, ada: Visitor, stranger: Visitor, provider: ProviderStub
) -> None:
    session_id, ada_id = await ada.open_session(), await _id_of(ada)
    await provider.script(Text("Never ending", ending="hang", after=1))
    async with ada.streaming(session_id, "Hello?") as events:
        assert await anext(events)
        assert (await admin.http.patch(f"/admin/users/{ada_id}", json={"disabled": True})).json()["disabled_at"]
        async with asyncio.timeout(10):
            ended = [event async for event in events][-1]
    assert (ended.type, ended.data["status"]) == ("end", "cancelled")
    assert (await ada.http.get("/auth/me")).status_code == httpx.codes.UNAUTHORIZED
    form = {"username": "ada@example.com", "password": PASSWORD}
    assert (await stranger.http.post("/auth/login", data=form)).json()["code"] == "invalid_credentials"
    await admin.http.patch(f"/admin/users/{ada_id}", json={"disabled": False})
    assert (await ada.http.get("/auth/me")).status_code == httpx.codes.UNAUTHORIZED
    assert (await stranger.http.post("/auth/login", data=form)).status_code == httpx.codes.OK


async def _key(visitor: Visitor) -> dict[str, str]:
    return {"x-api-key": (await visitor.http.post("/auth/api-keys", json={"name": "Report", "scopes": ["read"]})).json()["key"]}


async def test_a_user_is_logged_out_everywhere_and_their_keys_are_revoked(admin: Visitor, ada: Visitor, stranger: Visitor) -> None:
    ada_id, keys, own = await _id_of(ada), [await _key(ada) for _ in range(2)], await _key(admin)
    assert (await stranger.http.get("/auth/me", headers=keys[0])).is_success
    assert (await admin.http.post(f"/admin/users/{ada_id}/revoke")).json() == {"logins": 1, "api_keys": 2}
    assert (await ada.http.get("/auth/me")).status_code == httpx.codes.UNAUTHORIZED
    assert {(await stranger.http.get("/auth/me", headers=key)).status_code for key in keys} == {401}
    assert (await stranger.http.get("/auth/me", headers=own)).is_success
    assert (await admin.http.post(f"/admin/users/{ada_id}/revoke")).json() == {"logins": 0, "api_keys": 0}
    assert (await admin.http.post(f"/admin/users/{uuid4()}/revoke")).json()["code"] == "user_not_found"
    noted = (await admin.http.get("/admin/audit", params={"event": "tokens_revoked"})).json()["items"]
    assert [entry["details"] for entry in noted] == [{"logins": 0, "api_keys": 0}, {"logins": 1, "api_keys": 2}]


@pytest.mark.parametrize(("change", "keys"), [(("POST", "/revoke", None), 0), (("PATCH", "", {"disabled": True}), 1)])
async def test_who_comes_in_at_the_very_moment_is_shut_out_too(
    change: tuple[str, str, dict[str, bool] | None], keys: int, admin: Visitor, ada: Visitor, database_url: str
) -> None:
    """A login, or a key, that is being written while they are shut out must not be good once they are let in again."""
    ada_id = await _id_of(ada)
    async with await psycopg.AsyncConnection.connect(database_url) as coming_in:
        # As a login does it, which is not yet whole.
        await coming_in.execute('SELECT FROM "user" WHERE id = %s FOR SHARE', [ada_id])
        await coming_in.execute(
            "INSERT INTO login (id, user_id, refreshed_at, created_at) VALUES (gen_random_uuid(), %s, now(), now())", [ada_id]
        )
        await coming_in.execute(
            """INSERT INTO api_key (id, user_id, name, start, hash, scopes, created_at)
               VALUES (gen_random_uuid(), %s, 'x', 'x', 'x', '{read}', now())""",
            [ada_id],
        )
        method, path, body = change
        shutting_out = asyncio.create_task(admin.http.request(method, f"/admin/users/{ada_id}{path}", json=body))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        assert await asyncio.to_thread(eventually, lambda: ask(database_url, waiting) == 1, 10)
        await coming_in.commit()
        assert (await shutting_out).is_success
    with psycopg.connect(database_url) as connection:
        live = "SELECT (SELECT count(*) FROM login WHERE user_id = %(id)s AND revoked_at IS NULL), (SELECT count(*) FROM api_key)"
        # A key is of no use to who is shut out, and kept for when they are let in again.
        assert connection.execute(live, {"id": ada_id}).fetchone() == (0, keys)


async def test_the_whole_log_is_exported_and_an_erased_user_is_in_it_no_more(admin: Visitor, ada: Visitor) -> None:
    ada_id, began = await _id_of(ada), datetime.now(UTC)
    await admin.http.patch(f"/admin/users/{ada_id}", json={"tier": "pro"})
    assert (await ada.http.request("DELETE", "/me", json={"password": PASSWORD})).status_code == httpx.codes.OK
    exported = await admin.http.get("/admin/audit/export", params={"since": began.isoformat()})
    entries = [json.loads(line) for line in exported.text.splitlines()]
    assert [entry["event"] for entry in entries][:2] == ["user_erased", "account_changed"]
    assert ada_id not in exported.text
    assert entries[1]["actor_id"] == await _id_of(admin)
    assert (await admin.http.get("/admin/audit", params={"since": datetime.now(UTC).isoformat()})).json()["items"] == []


@pytest.mark.parametrize("change", ["UPDATE audit SET event = 'nothing'", "DELETE FROM audit"])
async def test_the_log_can_only_be_added_to(change: str, admin: Visitor, ada: Visitor, database_url: str) -> None:
    await admin.http.post(f"/admin/users/{await _id_of(ada)}/revoke")
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        connection.execute(change)
