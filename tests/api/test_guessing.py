"""Guessing passwords: a wait that grows, for who guesses before anybody else, and that tells nothing."""

import asyncio
from typing import Any, Final

import httpx
import psycopg
import pytest

from tests.conftest import Server, serving
from tests.visitor import PASSWORD, Visitor

ADA: Final = "ada@example.com"
WRONG: Final = "Wrong-12"
_PASS: Final = "UPDATE login_failure SET failed_at = failed_at - make_interval(secs => %s)"
_few = pytest.mark.variables(LOCKOUT_FAILURES="2")


async def _try(visitor: Visitor, email: str = ADA, password: str = WRONG) -> httpx.Response:
    return await visitor.http.post("/auth/login", data={"username": email, "password": password})


def _code(answer: httpx.Response) -> str:
    return "in" if answer.is_success else str(answer.json()["code"])


def _told(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name not in {"request_id", "retry_after"}}


def _let_pass(url: str, seconds: float) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_PASS, [seconds])


def _do(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        done = connection.execute(statement)
        return done.fetchall() if done.description else []


@_few
async def test_each_further_failure_doubles_the_wait_and_the_right_password_ends_it(
    ada: Visitor, stranger: Visitor, database_url: str
) -> None:
    await ada.http.post("/auth/logout")
    _do(database_url, "DELETE FROM login")
    assert [_code(await _try(stranger)) for _ in range(2)] == ["invalid_credentials"] * 2
    for wait in (5, 10, 20):
        locked = await _try(stranger)
        assert (locked.status_code, _code(locked)) == (429, "too_many_attempts")
        assert int(locked.headers["retry-after"]) == locked.json()["retry_after"] <= wait
        assert _code(await _try(stranger, password=PASSWORD)) == "too_many_attempts"
        _let_pass(database_url, wait)
        assert _code(await _try(stranger)) == "invalid_credentials"
    _let_pass(database_url, 900)
    assert _code(await _try(stranger, password=PASSWORD)) == "in"
    assert [_code(await _try(stranger)) for _ in range(3)] == ["invalid_credentials", "invalid_credentials", "too_many_attempts"]


@_few
async def test_a_locked_account_looks_like_one_that_is_not_there(ada: Visitor, stranger: Visitor) -> None:
    assert ada
    nobody = [await _try(stranger, "nobody@example.com") for _ in range(3)]
    known = [await _try(stranger) for _ in range(2)] + [await _try(stranger, password=PASSWORD)]
    assert [_told(answer) for answer in known] == [_told(answer) for answer in nobody]
    assert [_code(answer) for answer in nobody] == ["invalid_credentials", "invalid_credentials", "too_many_attempts"]


@_few
async def test_however_many_try_at_once_no_more_are_looked_at(ada: Visitor, stranger: Visitor) -> None:
    assert ada
    answers = await asyncio.gather(*(_try(stranger) for _ in range(10)))
    assert sorted(map(_code, answers)) == ["invalid_credentials"] * 2 + ["too_many_attempts"] * 8


@_few
async def test_every_spelling_of_an_email_is_one_account(ada: Visitor, stranger: Visitor) -> None:
    assert ada
    codes = [_code(await _try(stranger, email)) for email in ("ADA@example.com", " ada@Example.com", ADA)]
    assert codes == ["invalid_credentials", "invalid_credentials", "too_many_attempts"]


@_few
async def test_an_address_that_tries_many_accounts_waits_at_every_one(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    assert ada
    codes = [_code(await _try(stranger, f"user{number}@example.com")) for number in range(11)]
    assert codes == ["invalid_credentials"] * 10 + ["too_many_attempts"]
    # Who has come in from there before is not kept out by others who are there too.
    assert _code(await _try(stranger, password=PASSWORD)) == "in"
    _do(database_url, "DELETE FROM login; UPDATE login_failure SET failed_at = now()")
    assert _code(await _try(stranger, password=PASSWORD)) == "too_many_attempts"


@_few
async def test_no_stranger_can_keep_a_user_out_of_where_they_have_been(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    """Guesses from everywhere: when the account's own count is full, only an address that is new to it has to wait."""
    assert ada
    await _try(stranger)
    _do(database_url, "UPDATE login_failure SET failures = 1000; CREATE TABLE kept AS SELECT * FROM login_failure")
    let_in = []
    for (key,) in _do(database_url, "SELECT key FROM kept"):
        _do(database_url, "DELETE FROM login_failure; INSERT INTO login_failure SELECT key, failures, now() FROM kept")
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DELETE FROM login_failure WHERE key = %s", [key])
        let_in.append(_code(await _try(stranger, password=PASSWORD)))
    # Once: without what was counted of her from this very address.
    assert sorted(let_in) == ["in", "too_many_attempts", "too_many_attempts"]


@_few
async def test_the_password_of_a_token_that_was_stolen_is_guessed_no_faster(ada: Visitor, database_url: str) -> None:
    codes = [(await ada.http.request("DELETE", "/me", json={"password": WRONG})).json()["code"] for _ in range(3)]
    assert codes == ["wrong_password", "wrong_password", "too_many_attempts"]
    change = {"old_password": PASSWORD, "new_password": "Difference-2"}
    assert (await ada.http.post("/auth/password", json=change)).json()["code"] == "too_many_attempts"
    _do(database_url, "UPDATE login SET created_at = now() - interval '11 minutes'")
    key = {"name": "Mine", "scopes": ["chat"], "password": PASSWORD}
    assert (await ada.http.post("/auth/api-keys", json=key)).json()["code"] == "too_many_attempts"


@_few
async def test_failures_count_on_every_server(ada: Visitor, stranger: Visitor, server: Server) -> None:
    assert ada
    assert _code(await _try(stranger)) == "invalid_credentials"
    with serving(server.settings) as url:
        async with Visitor(url) as elsewhere:
            assert [_code(await _try(elsewhere)) for _ in range(2)] == ["invalid_credentials", "too_many_attempts"]
    assert _code(await _try(stranger)) == "too_many_attempts"


async def test_what_is_written_of_failures_names_nobody_an_erasure_would_not_find(
    ada: Visitor, stranger: Visitor, database_url: str
) -> None:
    await _try(stranger, "nobody@example.com")
    await _try(stranger)
    entries = "SELECT user_id IS NULL, address, details::text FROM audit WHERE event = 'login_failed' ORDER BY id"
    assert _do(database_url, entries) == [(True, "127.0.0.0/24", "{}"), (False, "127.0.0.1", "{}")]
    assert (await ada.http.request("DELETE", "/me", json={"password": PASSWORD})).is_success
    left = "SELECT event FROM audit WHERE user_id IS NOT NULL OR actor_id IS NOT NULL OR address = '127.0.0.1'"
    assert _do(database_url, left) == []
    events = [event for (event,) in _do(database_url, "SELECT event FROM audit ORDER BY id")]
    assert events == ["registered", "logged_in", "login_failed", "login_failed", "user_erased"]
    tables = ("login_failure", "audit", "login")
    whole = "".join(str(_do(database_url, f"SELECT {table}::text FROM {table}")) for table in tables)  # noqa: S608  # names of ours
    assert "nobody@" not in whole
    assert ADA not in whole


@pytest.mark.variables(HASH_QUEUE="1", PARALLEL_HASHES="1", HASH_MEMORY_KIB="65536")
async def test_a_try_that_was_never_looked_at_is_no_failure(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    assert ada
    answers = await asyncio.gather(*(_try(stranger, f"user{number}@example.com") for number in range(8)))
    busy = [answer for answer in answers if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE]
    assert busy
    assert {(_code(answer), answer.headers["retry-after"]) for answer in busy} == {("server_busy", "5")}
    counted = "SELECT count(*) FROM login_failure WHERE failures > 0"
    assert _do(database_url, counted) == [(2 * (8 - len(busy)) + 1,)]
