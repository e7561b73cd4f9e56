"""Refreshing and leaving: one use for each refresh token, a stolen one ends the login, and an end is an end everywhere."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final
from uuid import uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from app.accounts.refresh_tokens import PREFIX
from app.settings import Settings
from tests.conftest import Server, serving
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor

ADA: Final = "ada@example.com"
_AGE: Final = (
    "UPDATE login SET refreshed_at = refreshed_at - make_interval(secs => %s), created_at = created_at - make_interval(secs => %s)"
)
_AUDIT: Final = 'SELECT event FROM audit JOIN "user" ON "user".id = audit.user_id ORDER BY audit.id'


async def _log_in(visitor: Visitor, email: str = ADA) -> dict[str, Any]:
    answer = await visitor.http.post("/auth/login", data={"username": email, "password": PASSWORD})
    assert answer.is_success, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


async def _refresh(visitor: Visitor, tokens: Mapping[str, Any]) -> httpx.Response:
    return await visitor.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})


async def _is_in(visitor: Visitor, tokens: Mapping[str, Any]) -> bool:
    answer = await visitor.http.get("/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert answer.is_success or answer.json()["code"] == "not_authenticated"
    return answer.is_success


def _age(url: str, seconds: float, *, whole_login: float = 0) -> None:
    """Let time pass since the last refresh, and since the login."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_AGE, [seconds, whole_login])


def _audited(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [event for (event,) in connection.execute(_AUDIT)]


async def test_a_refresh_token_gives_new_tokens_once(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    assert ada
    first = await _log_in(stranger)
    assert first["refresh_token"].startswith(PREFIX)
    assert 890 < first["expires_in"] <= 900
    second = (await _refresh(stranger, first)).json()
    assert second.keys() == first.keys()
    assert {second[name] == first[name] for name in ("access_token", "refresh_token")} == {False}
    third = (await _refresh(stranger, second)).json()
    assert [await _is_in(stranger, tokens) for tokens in (first, second, third)] == [True] * 3
    with psycopg.connect(database_url) as connection:
        [row] = connection.execute("SELECT login::text FROM login ORDER BY created_at DESC LIMIT 1")
    assert third["refresh_token"][len(PREFIX) :] not in row[0]


async def test_a_stolen_refresh_token_ends_the_login_for_thief_and_owner_and_no_other(
    ada: Visitor, stranger: Visitor, database_url: str
) -> None:
    owners = await _log_in(stranger)
    thiefs = (await _refresh(stranger, owners)).json()
    thiefs = (await _refresh(stranger, thiefs)).json()
    _age(database_url, 11)
    found_out = await _refresh(stranger, owners)
    assert (found_out.status_code, found_out.json()["code"]) == (401, "invalid_refresh_token")
    assert found_out.headers["www-authenticate"] == "Bearer"
    assert not await _is_in(stranger, thiefs)
    assert (await _refresh(stranger, thiefs)).json()["code"] == "invalid_refresh_token"
    assert (await ada.http.get("/auth/me")).is_success
    assert _audited(database_url).count("refresh_reused") == 1


async def test_a_thief_who_is_second_is_found_out_as_well(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    assert ada
    stolen = await _log_in(stranger)
    owners = (await _refresh(stranger, stolen)).json()
    _age(database_url, 3600)
    assert (await _refresh(stranger, stolen)).is_client_error
    assert not await _is_in(stranger, owners)


async def test_a_lost_answer_is_given_again_and_leaves_one_line_of_tokens(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    """Whoever repeats within the grace gets what the first use got: two who go on from there are still found out."""
    assert ada
    first = await _log_in(stranger)
    second, again = [(await _refresh(stranger, first)).json() for _ in range(2)]
    assert second["refresh_token"] == again["refresh_token"]
    assert second["access_token"] != again["access_token"]
    third = (await _refresh(stranger, again)).json()
    _age(database_url, 11)
    assert (await _refresh(stranger, second)).is_client_error
    assert not await _is_in(stranger, third)


async def test_many_refreshes_at_once_are_one(ada: Visitor, stranger: Visitor) -> None:
    assert ada
    first = await _log_in(stranger)
    answers = await asyncio.gather(*(_refresh(stranger, first) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert (await _refresh(stranger, answers[0].json())).is_success


@pytest.mark.variables(REFRESH_GRACE_SECONDS="0")
async def test_without_grace_two_at_once_have_one_winner_and_the_login_ends(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    assert ada
    first = await _log_in(stranger)
    answers = await asyncio.gather(*(_refresh(stranger, first) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    [winner] = [answer.json() for answer in answers if answer.is_success]
    assert not await _is_in(stranger, winner)
    assert _audited(database_url).count("refresh_reused") == 1


@pytest.mark.parametrize(("idle_days", "whole_days", "is_good"), [(13.9, 0, True), (14.1, 0, False), (1, 89.9, True), (1, 90.1, False)])
async def test_a_login_ends_when_nobody_comes_back_and_at_the_latest_after_its_days(
    idle_days: float, whole_days: float, is_good: bool, ada: Visitor, stranger: Visitor, *, database_url: str
) -> None:
    assert ada
    tokens = await _log_in(stranger)
    _age(database_url, idle_days * 86_400, whole_login=whole_days * 86_400)
    assert (await _refresh(stranger, tokens)).is_success is is_good


async def test_nobody_else_can_put_a_refresh_token_together(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    assert ada
    tokens = await _log_in(stranger)
    text = tokens["refresh_token"]
    # The login's id is known to whoever sees an access token: nothing can be ended with it.
    place = len(PREFIX) + 40
    forged = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    for one in (forged, text[:-1], f"{PREFIX}{'A' * 86}", "x", ""):
        assert (await stranger.http.post("/auth/refresh", json={"refresh_token": one})).status_code == httpx.codes.UNAUTHORIZED
        assert (await stranger.http.post("/auth/logout", json={"refresh_token": one})).status_code == httpx.codes.NO_CONTENT
    assert await _is_in(stranger, tokens)
    assert "refresh_reused" not in _audited(database_url)


@pytest.mark.parametrize("body", [{}, {"refresh_token": 7}, {"refresh_token": "x" * 5000}, {"refresh_token": "x", "more": 1}, [], "x"])
async def test_what_is_no_request_to_refresh_is_told_so(body: object, stranger: Visitor) -> None:
    refused = await stranger.http.post("/auth/refresh", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


async def test_a_user_who_may_not_come_in_cannot_refresh(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    assert ada
    tokens = await _log_in(stranger)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('UPDATE "user" SET disabled_at = now()')
    assert (await _refresh(stranger, tokens)).json()["code"] == "invalid_refresh_token"


@pytest.mark.parametrize("by", ["access_token", "refresh_token"])
async def test_leaving_ends_this_login_and_no_other(by: str, ada: Visitor, stranger: Visitor, database_url: str) -> None:
    tokens = await _log_in(stranger)
    proof = {"headers": {"Authorization": f"Bearer {tokens['access_token']}"}} if by == "access_token" else {"json": {by: tokens[by]}}
    assert (await stranger.http.post("/auth/logout", **proof)).status_code == httpx.codes.NO_CONTENT
    assert not await _is_in(stranger, tokens)
    assert (await _refresh(stranger, tokens)).json()["code"] == "invalid_refresh_token"
    assert (await ada.http.get("/auth/me")).is_success
    assert _audited(database_url)[-1] == "logged_out"


async def test_leaving_takes_something_to_leave_by(stranger: Visitor) -> None:
    assert (await stranger.http.post("/auth/logout")).json()["code"] == "not_authenticated"
    assert (await stranger.http.post("/auth/logout", json={"refresh_token": 7})).json()["code"] == "invalid_input"


async def test_leaving_everywhere_ends_all_logins_of_oneself_only(ada: Visitor, bob: Visitor, stranger: Visitor) -> None:
    tokens = [await _log_in(stranger) for _ in range(2)]
    assert (await ada.http.post("/auth/logout-everywhere")).status_code == httpx.codes.NO_CONTENT
    assert [await _is_in(stranger, one) for one in tokens] == [False, False]
    assert (await ada.http.get("/auth/me")).status_code == httpx.codes.UNAUTHORIZED
    assert (await bob.http.get("/auth/me")).is_success


async def test_one_sees_where_one_is_logged_in_and_ends_it_there(ada: Visitor, bob: Visitor, stranger: Visitor) -> None:
    tokens = await _log_in(stranger)
    items = (await ada.http.get("/auth/logins")).json()["items"]
    assert [(item["is_current"], item["address"]) for item in items] == [(False, "127.0.0.1"), (True, "127.0.0.1")]
    assert items[0]["user_agent"].startswith("python-httpx")
    path = f"/auth/logins/{items[0]['id']}"
    assert (await bob.http.delete(path)).json()["code"] == "login_not_found"
    assert (await ada.http.delete(path)).status_code == httpx.codes.NO_CONTENT
    assert not await _is_in(stranger, tokens)
    for gone in (path, f"/auth/logins/{uuid4()}"):
        assert (await ada.http.delete(gone)).json()["code"] == "login_not_found"
    assert (await ada.http.delete("/auth/logins/me")).json()["code"] == "invalid_input"
    assert [item["is_current"] for item in (await ada.http.get("/auth/logins")).json()["items"]] == [True]


async def test_a_stream_that_waits_ends_with_its_login_and_the_run_goes_on(
    ada: Visitor, stranger: Visitor, provider: ProviderStub, server: Server
) -> None:
    await provider.script(Text("one two three", ending="hang", after=1))
    session = await ada.open_session()
    tokens = await _log_in(stranger)
    async with Visitor(server.url) as elsewhere:
        elsewhere.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        async with elsewhere.streaming(session, "Count") as events:
            run_id = (await anext(events)).data["run_id"]
            await stranger.http.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]})
            began = time.monotonic()
            types = [event.type async for event in events]
            assert time.monotonic() - began < 5
        assert "end" not in types
    assert (await ada.http.get(f"/runs/{run_id}")).json()["status"] == "running"
    await ada.http.post(f"/runs/{run_id}/cancel")


async def test_who_waits_for_a_whole_answer_is_told_when_their_login_ends(
    ada: Visitor, stranger: Visitor, provider: ProviderStub, server: Server
) -> None:
    await provider.script(Text("one two three", ending="hang", after=1))
    session = await ada.open_session()
    tokens = await _log_in(stranger)
    async with Visitor(server.url) as elsewhere:
        elsewhere.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        waiting = asyncio.create_task(elsewhere.ask(session, "Count"))
        await provider.wait_until_asked(1)
        await ada.http.post("/auth/logout-everywhere")
        async with asyncio.timeout(5):
            answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_a_key_is_changed_step_by_step_and_nobody_is_logged_out(ada: Visitor, server: Server) -> None:
    """As docs/accounts.md has it: the new key is made known everywhere, then it signs, then the old one is taken away."""
    assert ada
    old, new = (SecretStr(f"{name}-Q9w8E7r6T5y4U3i2O1p0-A1s2D3f4G5h6J7k8L9") for name in ("old", "new"))
    keys = [(old, ()), (old, (new,)), (new, (old,)), (new, ())]
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(_with_keys(server.settings, *one))) for one in keys]
        visitors = [Visitor(url) for url in urls]
        tokens = await _log_in(visitors[0])
        # In a rollout servers of two steps stand side by side.
        for before, after in pairwise(visitors):
            for visitor in (before, after, before, after):
                tokens = (await _refresh(visitor, tokens)).raise_for_status().json()
                assert [await _is_in(one, tokens) for one in (before, after)] == [True, True]
        stale = await _refresh(visitors[0], tokens)
        assert stale.is_success, "the refresh token itself is good wherever its login is known"
        assert not await _is_in(visitors[3], stale.json())
        for visitor in visitors:
            await visitor.http.aclose()


def _with_keys(settings: Settings, key: SecretStr, previous: Sequence[SecretStr]) -> Settings:
    accounts = settings.accounts.model_copy(update={"jwt_secret_key": key, "jwt_previous_secret_keys": tuple(previous)})
    return replace(settings, accounts=accounts)
