"""API keys: shown once, good for what they were made for, and for nothing from the moment they are revoked."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import httpx
import psycopg
import pytest
import pytest_asyncio

from app.api.scopes import NEEDS, Need
from tests.conftest import Server
from tests.persistence.clients import ask, eventually
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor

KEYS: Final = "/auth/api-keys"
SCOPES: Final = {Need.READ: {"read", "chat"}, Need.CHAT: {"chat"}, Need.ADMIN: {"admin"}, Need.LOGIN: set[str]()}


@pytest_asyncio.fixture
async def program(server: Server) -> AsyncIterator[Visitor]:
    """Whoever has a key of Ada's."""
    async with Visitor(server.url) as visitor:
        yield visitor


async def made(user: Visitor, *scopes: str, **more: Any) -> dict[str, Any]:
    answer = await user.http.post(KEYS, json={"name": "Report", "scopes": scopes, **more})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_key_is_shown_once_and_only_its_hash_is_kept(ada: Visitor, database_url: str) -> None:
    new = await made(ada, "read", "chat")
    assert new["key"].startswith("mp_")
    assert len(new["key"]) == 46
    listed = (await ada.http.get(KEYS)).json()["items"]
    assert listed == [{name: value for name, value in new.items() if name != "key"}]
    assert new["key"].startswith(listed[0]["start"])
    assert listed[0]["scopes"] == ["chat", "read"]
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT hash FROM api_key").fetchone() == (sha256(new["key"].encode()).digest(),)


async def test_a_program_chats_streams_and_uploads_with_a_key(ada: Visitor, program: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("One."), Text("Two."))
    program.http.headers["x-api-key"] = (await made(ada, "chat"))["key"]
    session = await program.open_session()
    uploaded = await program.http.post("/attachments", content=b"Words")
    assert uploaded.status_code == httpx.codes.CREATED
    assert (await program.ask(session, "First", attachments=[uploaded.json()["id"]])).json()["message"]["content"] == "One."
    assert (await program.stream(session, "Second"))[-1].data["status"] == "completed"
    assert [one["id"] for one in (await ada.http.get("/sessions")).json()["items"]] == [session]


@pytest.mark.parametrize("header", ["x-api-key", "authorization", "both"])
async def test_a_key_comes_in_either_header_or_in_both(header: str, ada: Visitor, program: Visitor) -> None:
    key = (await made(ada, "read"))["key"]
    headers = {"x-api-key": key, "authorization": f"Bearer {key}"}
    given = headers if header == "both" else {header: headers[header]}
    me = await program.http.get("/auth/me", headers=given)
    assert me.json()["email"] == "ada@example.com"


async def test_two_proofs_that_differ_are_refused(ada: Visitor, program: Visitor) -> None:
    keys = [(await made(ada, "read"))["key"] for _ in range(2)]
    token = ada.http.headers["authorization"]
    for authorization in (f"Bearer {keys[1]}", token):
        refused = await program.http.get("/auth/me", headers={"x-api-key": keys[0], "authorization": authorization})
        assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
    twice = await program.http.get("/auth/me", headers=[("x-api-key", keys[0]), ("x-api-key", keys[1])])
    assert twice.status_code == httpx.codes.UNAUTHORIZED
    assert (await program.http.get("/auth/me", headers={"x-api-key": token.removeprefix("Bearer ")})).status_code == 401


@pytest.mark.parametrize("secret", ["mp_", "mp_" + "A" * 43, "mp_" + "A" * 90_000, "mp_é" + "A" * 42, "", "' OR 1=1 --"])
@pytest.mark.parametrize("path", ["/auth/me", "/attachments", "/sessions/01a1fc7e-21d0-72ff-93f5-17b427afd1b3"])
async def test_what_is_no_key_is_refused(secret: str, path: str, program: Visitor) -> None:
    method = "POST" if path == "/attachments" else "GET"
    async with program.http.stream(method, path, headers=[(b"x-api-key", secret.encode("latin-1"))]) as refused:
        # A header that long the web server refuses by itself.
        assert refused.status_code in ({400, 401, 431} if len(secret) > 60_000 else {401})


@pytest.mark.parametrize("end", ["revoked", "expired", "disabled"])
async def test_a_key_that_has_ended_is_good_for_nothing_at_the_next_request(
    end: str, ada: Visitor, program: Visitor, database_url: str
) -> None:
    session = await ada.open_session()
    key = await made(ada, "read", "chat", expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    program.http.headers["x-api-key"] = key["key"]
    assert (await program.http.get(f"/sessions/{session}")).status_code == httpx.codes.OK
    with psycopg.connect(database_url, autocommit=True) as connection:
        match end:
            case "revoked":
                assert (await ada.http.delete(f"{KEYS}/{key['id']}")).status_code == httpx.codes.NO_CONTENT
            case "expired":
                connection.execute("UPDATE api_key SET expires_at = now()")
            case _:
                connection.execute('UPDATE "user" SET disabled_at = now()')
    asked = [("GET", "/auth/me"), ("GET", f"/sessions/{session}"), ("POST", f"/sessions/{session}/chat"), ("POST", "/attachments")]
    for method, path in asked:
        refused = await program.http.request(method, path, json={"message": "Hello?"})
        assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated"), path


async def test_every_route_states_its_scope_and_refuses_a_key_without_it(ada: Visitor, program: Visitor, server: Server) -> None:
    keys = {scope: (await made(ada, scope))["key"] for scope in ("read", "chat")}
    async with httpx.AsyncClient() as client:
        paths: Mapping[str, Mapping[str, Any]] = (await client.get(f"{server.url}/openapi.json")).json()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method, one in methods.items() if "security" in one}
    assert {route for route in routes if not route[1].startswith("/api/v1/admin/")} == NEEDS.keys()
    refused = 0
    administration = {route: Need.ADMIN for route in routes if route[1].startswith("/api/v1/admin/")}
    assert len(administration) >= 5
    for (method, path), need in {**NEEDS, **administration}.items():
        if need is Need.NOBODY:
            assert not paths[path][method.lower()]["security"]
            continue
        stated = {scope for one in paths[path][method.lower()]["security"] for scopes in one.values() for scope in scopes}
        assert stated == (set() if need is Need.LOGIN else {need})
        for scope in keys.keys() - SCOPES[need]:
            url = server.url + path.format_map(_AnyId())
            answer = await program.http.request(method, url, json={}, headers={"x-api-key": keys[scope]})
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), (method, path, scope)
            refused += 1
    assert refused >= 30
    assert (await ada.http.get("/sessions")).json()["items"] == []


class _AnyId(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return str(uuid4())


async def test_a_key_makes_no_keys_and_neither_takes_away_nor_ends_the_account(ada: Visitor, program: Visitor) -> None:
    program.http.headers["x-api-key"] = (await made(ada, "read", "chat"))["key"]
    attempts = [
        await program.http.post(KEYS, json={"name": "More", "scopes": ["chat"]}),
        await program.http.get(KEYS),
        await program.http.post("/me/export"),
        await program.http.request("DELETE", "/me", json={"password": PASSWORD}),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in attempts} == {(403, "scope_missing")}
    assert (await ada.http.get("/auth/me")).status_code == httpx.codes.OK


async def test_only_an_administrator_makes_a_key_for_administration(ada: Visitor, program: Visitor, database_url: str) -> None:
    refused = await ada.http.post(KEYS, json={"name": "Mine", "scopes": ["admin"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("""UPDATE "user" SET role = 'admin'""")
        codes = {}
        for scope in ("admin", "chat"):
            key = {"x-api-key": (await made(ada, scope))["key"]}
            answers = [await program.http.get(path, headers=key) for path in ("/admin/users", "/sessions")]
            codes[scope] = [answer.json().get("code") for answer in answers]
        assert codes == {"admin": [None, "scope_missing"], "chat": ["scope_missing", None]}
        connection.execute("""UPDATE "user" SET role = 'user'""")
        last = await made(ada, "read")
        connection.execute("UPDATE api_key SET scopes = '{admin}' WHERE id = %s", [last["id"]])
    refused = await program.http.get("/admin/users", headers={"x-api-key": last["key"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


async def test_who_is_logged_out_while_they_make_a_key_has_none(ada: Visitor, database_url: str) -> None:
    """Else a thief who makes one key after the other would have one left when the account is taken back."""
    async with await psycopg.AsyncConnection.connect(database_url) as owner:
        await owner.execute('SELECT FROM "user" FOR NO KEY UPDATE')
        making = asyncio.create_task(ada.http.post(KEYS, json={"name": "Mine", "scopes": ["chat"]}))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        assert await asyncio.to_thread(eventually, lambda: ask(database_url, waiting) == 1, 10)
        await owner.execute("UPDATE login SET revoked_at = now()")
        await owner.commit()
        refused = await making
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
    assert ask(database_url, "SELECT count(*) FROM api_key") == 0


async def test_once_its_login_is_old_a_token_makes_no_key_without_the_password(ada: Visitor, database_url: str) -> None:
    """Else who has stolen a token has a key when that has ended. A refreshed token is no newer than its login."""
    tokens = (await ada.http.post("/auth/login", data={"username": "ada@example.com", "password": PASSWORD})).json()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE login SET created_at = now() - interval '11 minutes'")
    tokens = (await ada.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
    ada.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    asked: list[dict[str, Any]] = [{}, {"password": None}, {"password": "Wrong-12"}, {"password": ""}]
    refused = [await ada.http.post(KEYS, json={"name": "Mine", "scopes": ["chat"], **more}) for more in asked]
    assert [answer.status_code for answer in refused] == [403] * 4
    assert [answer.json()["code"] for answer in refused] == ["login_too_old"] * 2 + ["wrong_password"] * 2
    assert ask(database_url, "SELECT count(*) FROM api_key") == 0
    assert (await made(ada, "chat", password=PASSWORD))["scopes"] == ["chat"]


async def test_making_and_revoking_a_key_is_noted_without_the_key(ada: Visitor, database_url: str) -> None:
    key = await made(ada, "read")
    await ada.http.delete(f"{KEYS}/{key['id']}")
    with psycopg.connect(database_url) as connection:
        noted = connection.execute("SELECT event, details, user_id = actor_id, address FROM audit ORDER BY id").fetchall()
    assert [row for row in noted if row[0].startswith("api_key")] == [
        ("api_key_made", {"key_id": key["id"], "scopes": ["read"]}, True, "127.0.0.1"),
        ("api_key_revoked", {"key_id": key["id"]}, True, "127.0.0.1"),
    ]


async def test_another_users_key_is_not_there(ada: Visitor, bob: Visitor) -> None:
    key = await made(ada, "read")
    refused = await bob.http.delete(f"{KEYS}/{key['id']}")
    assert (refused.status_code, refused.json()["code"]) == (404, "api_key_not_found")
    assert (await bob.http.get(KEYS)).json()["items"] == []
    assert len((await ada.http.get(KEYS)).json()["items"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "line\0"},
        {"scopes": []},
        {"scopes": ["write"]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00"},
        {"key": "mp_mine"},
        {"password": 7},
        {"password": "x" * 200},
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(wrong: dict[str, Any], ada: Visitor) -> None:
    refused = await ada.http.post(KEYS, json={"name": "Report", "scopes": ["read"], **wrong})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize(
    ("scopes", "field", "words"),
    [([], "scopes", "must name at least one of read, chat, admin"), (["write"], "scopes.0", "Input should be 'read', 'chat' or 'admin'")],
)
async def test_scopes_that_make_no_sense_are_one_fault_with_true_words(scopes: list[str], field: str, words: str, ada: Visitor) -> None:
    refused = await ada.http.post(KEYS, json={"name": "Report", "scopes": scopes})
    assert refused.json()["errors"] == [{"field": field, "message": words}]


@pytest.mark.variables(TIERS_FILE="tiers.yaml")
async def test_a_user_has_no_more_keys_than_their_tier_may_have(ada: Visitor, database_url: str) -> None:
    for _ in range(3):
        await made(ada, "read")
    answers = await asyncio.gather(*(ada.http.post(KEYS, json={"name": "Two", "scopes": ["read"]}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]
    refused = next(answer.json() for answer in answers if answer.is_error)
    assert (refused["code"], refused["limit"], refused["tier"]) == ("too_many_api_keys", 5, "free")
    assert "5 API keys" in refused["detail"]

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE \"user\" SET tier = 'pro'")
    await made(ada, "read")


async def test_the_last_use_is_noted_soon_and_not_at_each_request(ada: Visitor, program: Visitor, database_url: str) -> None:
    key = await made(ada, "read")
    assert key["last_used_at"] is None
    for _ in range(10):
        await program.http.get("/auth/me", headers={"x-api-key": key["key"]})
    assert eventually(lambda: ask(database_url, "SELECT last_used_at FROM api_key") is not None, 10)
    listed = (await ada.http.get(KEYS)).json()["items"][0]
    for _ in range(10):
        await program.http.get("/auth/me", headers={"x-api-key": key["key"]})
    assert (await ada.http.get(KEYS)).json()["items"] == [listed]


async def test_both_ways_in_are_documented(server: Server) -> None:
    async with httpx.AsyncClient() as client:
        document = (await client.get(f"{server.url}/openapi.json")).json()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["ApiKey"]["in"], schemes["ApiKey"]["name"], schemes["ApiKeyAsBearer"]["scheme"]) == ("header", "x-api-key", "bearer")
    chat = document["paths"]["/api/v1/sessions/{session_id}/chat"]["post"]["security"]
    assert {"ApiKey": ["chat"]} in chat
    assert {"OAuth2PasswordBearer": []} in chat
