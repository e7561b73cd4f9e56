"""Signing up, logging in, and the tokens that say who one is."""

from datetime import UTC, datetime
from typing import Final

import httpx
import psycopg
import pytest

from tests.visitor import PASSWORD, Visitor

NEW: Final = {"email": "eve@example.com", "password": PASSWORD}


async def test_registering_makes_an_account_that_is_logged_in(stranger: Visitor) -> None:
    made = await stranger.http.post("/auth/register", json={**NEW, "email": "  Eve@Example.COM "})
    assert made.status_code == httpx.codes.CREATED
    assert made.json()["user"]["email"] == "eve@example.com"
    token = made.json()["tokens"]["access_token"]
    me = await stranger.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json() == made.json()["user"]
    assert PASSWORD not in made.text


async def test_an_email_is_registered_once_however_it_is_written(ada: Visitor) -> None:
    again = await ada.http.post("/auth/register", json={**NEW, "email": "ADA@example.com"})
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("Short-1", "8 to 128 characters"),
        ("L0ng-" * 26, "8 to 128 characters"),
        ("no-upper-1", "an upper-case letter"),
        ("No-digit", "a digit"),
        ("NoSpecial1", "a special character"),
    ],
)
async def test_a_password_that_breaks_a_rule_is_told_which(password: str, words: str, stranger: Visitor) -> None:
    refused = await stranger.http.post("/auth/register", json={**NEW, "password": password})
    assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert refused.json()["errors"] == [{"field": "password", "message": f"must have {words}"}]
    assert password not in refused.text


@pytest.mark.parametrize("email", ["", "eve", "eve@", "eve@example", "e" * 400 + "@example.com", "eve\0@example.com", 7])
async def test_what_is_no_email_is_refused(email: object, stranger: Visitor) -> None:
    refused = await stranger.http.post("/auth/register", json={**NEW, "email": email})
    assert [fault["field"] for fault in refused.json()["errors"]] == ["email"]


async def test_logging_in_takes_the_oauth_form(ada: Visitor, stranger: Visitor) -> None:
    tokens = (await stranger.http.post("/auth/login", data={"username": "Ada@example.com", "password": PASSWORD})).json()
    assert tokens["token_type"] == "bearer"
    assert datetime.fromisoformat(tokens["expires_at"]) > datetime.now(UTC)
    me = await stranger.http.get("/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json() == (await ada.http.get("/auth/me")).json()


async def test_nothing_tells_an_unknown_email_from_a_wrong_password(ada: Visitor, stranger: Visitor) -> None:
    assert ada
    answers = [
        await stranger.http.post("/auth/login", data={"username": name, "password": password})
        for name, password in [("ada@example.com", "Wrong-12"), ("nobody@example.com", PASSWORD), ("\0", PASSWORD)]
    ]
    told = [{name: value for name, value in answer.json().items() if name != "request_id"} for answer in answers]
    assert told[0] == told[1] == told[2]
    assert told[0]["code"] == "invalid_credentials"
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


@pytest.mark.parametrize("end", ["UPDATE login SET revoked_at = now()", 'UPDATE "user" SET disabled_at = now()', "DELETE FROM login"])
async def test_a_login_that_was_ended_anywhere_is_good_for_nothing_at_the_next_request(end: str, ada: Visitor, database_url: str) -> None:
    session_id = await ada.open_session()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(end)
    answers = [await ada.http.get(path) for path in ("/auth/me", "/sessions", f"/sessions/{session_id}")]
    answers.append(await ada.http.post(f"/sessions/{session_id}/chat", json={"message": "Hello?"}))
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "not_authenticated")] * 4
