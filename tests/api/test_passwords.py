"""Changing a password, and links in mail: to a new one, and to show that an email is one's own."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import bcrypt
import httpx
import jwt
import psycopg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from app import signals
from app.accounts.secrets import development_secret
from app.errors import MailRefused, MailUnavailable
from app.mail import LoggedPost, Mail, SmtpPost
from tests.conftest import Server
from tests.smtp_server import SmtpServer
from tests.told import hearing
from tests.visitor import PASSWORD, Visitor

ADA: Final = "ada@example.com"
NEW: Final = "Difference-2"


@pytest_asyncio.fixture
async def post() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as server:
        yield server


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], post: SmtpServer) -> dict[str, str]:
    mail = {"SMTP_URL": f"smtp+plain://127.0.0.1:{post.port}", "MAIL_FROM": "Milepost <no-reply@example.com>"}
    return {**mail, "PUBLIC_URL": "https://chat.example.com/", "WORKER_IN_SERVER": "true", **variables_of_test}


async def _log_in(visitor: Visitor, password: str = PASSWORD, email: str = ADA) -> httpx.Response:
    return await visitor.http.post("/auth/login", data={"username": email, "password": password})


def _do(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        done = connection.execute(statement)
        return done.fetchall() if done.description else []


async def _token(post: SmtpServer, count: int, place: str) -> str:
    """The token of the mail that is the last of so many."""
    mail = (await post.take(count))[-1]
    [link] = re.findall(r"https://\S+", mail.get_content())
    address = urlsplit(link)
    assert (address.netloc, address.path, address.query) == ("chat.example.com", f"/{place}", "")
    name, _, token = address.fragment.partition("=")
    assert name == "token"
    return str(token)


async def _reset(visitor: Visitor, token: str, password: str = NEW) -> httpx.Response:
    return await visitor.http.post("/auth/password/reset", json={"token": token, "new_password": password})


async def _forgot(visitor: Visitor, email: str = ADA) -> httpx.Response:
    return await visitor.http.post("/auth/password/forgot", json={"email": email})


async def test_changing_a_password_takes_the_old_one_and_ends_all_other_logins(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    other = (await _log_in(stranger)).json()
    own = (await _log_in(ada)).json()
    ada.http.headers["Authorization"] = f"Bearer {own['access_token']}"
    change = {"old_password": PASSWORD, "new_password": NEW}
    assert (await ada.http.post("/auth/password", json={**change, "old_password": "Wrong-12"})).json()["code"] == "wrong_password"
    assert (await ada.http.post("/auth/password", json=change)).status_code == httpx.codes.NO_CONTENT
    assert (await ada.http.get("/auth/me")).is_success
    assert (await ada.http.post("/auth/refresh", json={"refresh_token": own["refresh_token"]})).is_success
    gone = await stranger.http.get("/auth/me", headers={"Authorization": f"Bearer {other['access_token']}"})
    assert gone.status_code == httpx.codes.UNAUTHORIZED
    assert [(await _log_in(stranger, password)).is_success for password in (PASSWORD, NEW)] == [False, True]
    events = [event for (event,) in _do(database_url, "SELECT event FROM audit WHERE actor_id = user_id ORDER BY id")]
    assert events == ["registered", "logged_in", "logged_in", "logged_in", "password_changed", "logged_in"]


@pytest.mark.parametrize(
    "body",
    [
        {"old_password": PASSWORD},
        {"old_password": PASSWORD, "new_password": "weak"},
        {"old_password": PASSWORD, "new_password": "Dif\0ference-2"},
        {"old_password": 7, "new_password": NEW},
        {"old_password": "x" * 200, "new_password": NEW},
        {"old_password": PASSWORD, "new_password": NEW, "email": ADA},
    ],
)
async def test_what_is_no_change_of_a_password_is_told_so(body: Mapping[str, object], ada: Visitor) -> None:
    refused = await ada.http.post("/auth/password", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


async def test_the_old_password_is_no_new_one(ada: Visitor) -> None:
    refused = (await ada.http.post("/auth/password", json={"old_password": PASSWORD, "new_password": PASSWORD})).json()
    assert (refused["code"], [fault["field"] for fault in refused["errors"]]) == ("invalid_input", ["new_password"])


async def test_a_forgotten_password_is_reset_by_the_link_in_a_mail_once(
    ada: Visitor, stranger: Visitor, post: SmtpServer, database_url: str
) -> None:
    await post.take()  # that of signing up
    asked = await _forgot(stranger, "Ada@Example.com")
    assert (asked.status_code, asked.content) == (202, b"")
    token = await _token(post, 2, "reset-password")
    mail = post.mails[-1]
    assert (mail["From"], mail["To"], mail["Auto-Submitted"]) == ("Milepost <no-reply@example.com>", ADA, "auto-generated")
    assert (await _reset(stranger, token, "weak")).json()["code"] == "invalid_input"
    assert (await _reset(stranger, token)).status_code == httpx.codes.NO_CONTENT
    assert (await ada.http.get("/auth/me")).status_code == httpx.codes.UNAUTHORIZED, "all logins have ended"
    assert (await _reset(stranger, token, "Another-33")).json()["code"] == "link_invalid"
    assert [(await _log_in(stranger, password)).is_success for password in (PASSWORD, NEW)] == [False, True]
    assert _do(database_url, 'SELECT email_verified_at IS NOT NULL FROM "user"') == [(True,)], "who reads the mail has the address"
    for event in ("password_reset", "email_verified"):
        assert _do(database_url, f"SELECT count(*) FROM audit WHERE event = '{event}'") == [(1,)]  # noqa: S608  # of our own


async def test_a_link_that_is_used_by_two_at_once_is_good_for_one(ada: Visitor, stranger: Visitor, post: SmtpServer) -> None:
    assert ada
    await post.take()
    await _forgot(stranger)
    token = await _token(post, 2, "reset-password")
    answers = await asyncio.gather(*(_reset(stranger, token, f"Different-{number}") for number in range(2)))
    assert sorted(answer.status_code for answer in answers) == [204, 410]
    assert [(await _log_in(stranger, f"Different-{number}")).is_success for number in range(2)] == [one.is_success for one in answers]


async def test_who_is_shut_out_has_no_use_for_a_link(ada: Visitor, stranger: Visitor, post: SmtpServer, database_url: str) -> None:
    assert ada
    verifying = await _token(post, 1, "verify-email")
    await _forgot(stranger)
    resetting = await _token(post, 2, "reset-password")
    _do(database_url, 'UPDATE "user" SET disabled_at = now()')
    for answer in (await _reset(stranger, resetting), await stranger.http.post("/auth/email/verify", json={"token": verifying})):
        assert (answer.status_code, answer.json()["code"]) == (410, "link_invalid")
    _do(database_url, 'UPDATE "user" SET disabled_at = NULL')
    assert (await _log_in(stranger)).is_success, "the password is what it was"
    assert _do(database_url, 'SELECT email_verified_at FROM "user"') == [(None,)]


async def test_a_reset_by_mail_takes_from_a_stranger_all_they_may_have_left_and_a_change_does_not(
    ada: Visitor, stranger: Visitor, post: SmtpServer, database_url: str
) -> None:
    await post.take()
    made = (await ada.http.post("/auth/api-keys", json={"name": "Report", "scopes": ["chat"]})).json()
    hook = (await ada.http.post("/webhooks", json={"url": "https://example.com/", "include_message": True})).json()
    change = {"old_password": PASSWORD, "new_password": "Between-22"}
    assert (await ada.http.post("/auth/password", json=change)).is_success
    assert (await stranger.http.get("/auth/me", headers={"x-api-key": made["key"]})).is_success
    assert (await ada.http.get(f"/webhooks/{hook['id']}")).json()["is_on"] is True
    await _forgot(stranger)
    assert (await _reset(stranger, await _token(post, 2, "reset-password"))).is_success
    refused = await stranger.http.get("/auth/me", headers={"x-api-key": made["key"]})
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
    tokens = (await _log_in(stranger, NEW)).json()
    own = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await stranger.http.get("/auth/api-keys", headers=own)).json()["items"] == []
    [kept] = (await stranger.http.get("/webhooks", headers=own)).json()
    assert (kept["id"], kept["is_on"], kept["off_reason"]) == (hook["id"], False, "password_reset")
    noted = "SELECT details, user_id = actor_id, address FROM audit WHERE event = 'password_reset'"
    assert _do(database_url, noted) == [({"api_keys": 1, "webhooks": 1}, True, "127.0.0.1")]


async def test_a_link_is_for_one_thing_only_and_ours(ada: Visitor, stranger: Visitor, post: SmtpServer, server: Server) -> None:
    verifying = await _token(post, 1, "verify-email")
    await _forgot(stranger)
    resetting = await _token(post, 2, "reset-password")
    assert (await _reset(stranger, verifying)).json()["code"] == "link_invalid"
    assert (await stranger.http.post("/auth/email/verify", json={"token": resetting})).json()["code"] == "link_invalid"
    for token in (verifying, resetting):
        assert (await stranger.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).json()["code"] == "not_authenticated"
    access = ada.http.headers["Authorization"].removeprefix("Bearer ")
    secret = development_secret(server.settings.database.data_dir).get_secret_value()
    claims = jwt.decode(resetting, options={"verify_signature": False})
    old = claims | {"exp": datetime.now(UTC) - timedelta(seconds=6)}
    forged = [
        *(access, resetting[:-3], "", "x", resetting + "x"),
        jwt.encode(claims, "k" * 64, algorithm="HS256"),
        jwt.encode(old, secret, algorithm="HS256"),
        *(jwt.encode(claims | {"mrk": mark}, secret, algorithm="HS256") for mark in ("", "00" * 16, "no hex", None)),
        jwt.encode(claims | {"sub": claims["sub"][:-1] + ("0" if claims["sub"][-1] != "0" else "1")}, secret, algorithm="HS256"),
    ]
    for token in forged:
        refused = await _reset(stranger, token)
        assert (refused.status_code, refused.json()["code"]) == (410, "link_invalid"), token
    assert claims["exp"] - claims["iat"] == 1800
    genuine = jwt.encode(claims, secret, algorithm="HS256")
    assert (await _reset(stranger, genuine)).is_success, "else what is forged above would prove nothing"


async def test_a_link_dies_with_the_password_it_was_made_for(ada: Visitor, stranger: Visitor, post: SmtpServer) -> None:
    await post.take()
    await _forgot(stranger)
    token = await _token(post, 2, "reset-password")
    assert (await ada.http.post("/auth/password", json={"old_password": PASSWORD, "new_password": NEW})).is_success
    assert (await _reset(stranger, token, "Another-33")).json()["code"] == "link_invalid"


async def test_asking_tells_nothing_and_fills_nobodys_mailbox(ada: Visitor, stranger: Visitor, post: SmtpServer, database_url: str) -> None:
    assert ada
    await post.take()
    answers = [await _forgot(stranger, email) for email in (ADA, "nobody@example.com", ADA, ADA)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, "")}
    # Of nobody's email nothing is kept, not even until a worker looks at it.
    assert not any("nobody" in str(row) for row in _do(database_url, "SELECT args::text, lock FROM procrastinate_jobs"))
    await post.take(2)
    _do(database_url, """UPDATE "user" SET reset_mailed_at = reset_mailed_at - interval '1 min'""")
    await _forgot(stranger)
    assert len(await post.take(3)) == 3
    assert {mail["To"] for mail in post.mails} == {ADA}


async def test_a_mail_server_that_does_not_take_it_is_tried_again(ada: Visitor, post: SmtpServer, stranger: Visitor) -> None:
    assert ada
    await post.take()
    post.refusals.append("451 Not now")
    await _forgot(stranger)
    assert (await _reset(stranger, await _token(post, 2, "reset-password"))).is_success


async def test_the_link_is_in_no_log_and_no_job(
    ada: Visitor, stranger: Visitor, post: SmtpServer, caplog: pytest.LogCaptureFixture, database_url: str
) -> None:
    assert ada
    await post.take()
    post.refusals.append("451 Not now")
    await _forgot(stranger)
    token = await _token(post, 2, "reset-password")
    kept = _do(
        database_url, "SELECT job::text FROM procrastinate_jobs AS job UNION ALL SELECT event::text FROM procrastinate_events AS event"
    )
    assert "request_finished" in caplog.text
    assert token not in caplog.text + str(kept)
    assert ADA not in caplog.text


@pytest.mark.variables(REQUIRE_VERIFIED_EMAIL="true")
async def test_where_it_is_wanted_nobody_comes_in_who_has_not_opened_the_link(
    stranger: Visitor, post: SmtpServer, database_url: str
) -> None:
    made = await stranger.http.post("/auth/register", json={"email": ADA, "password": PASSWORD})
    assert (made.status_code, made.json()["tokens"], made.json()["user"]["email_verified"]) == (201, None, False)
    refused = await _log_in(stranger)
    assert (refused.status_code, refused.json()["code"]) == (403, "verification_needed")
    assert (await _log_in(stranger, "Wrong-12")).json()["code"] == "invalid_credentials"
    token = await _token(post, 1, "verify-email")
    for _ in range(2):
        assert (await stranger.http.post("/auth/email/verify", json={"token": token})).status_code == httpx.codes.NO_CONTENT
    tokens = (await _log_in(stranger)).json()
    me = await stranger.http.get("/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["email_verified"] is True
    assert _do(database_url, "SELECT count(*) FROM audit WHERE event = 'email_verified'") == [(1,)]
    _do(database_url, 'UPDATE "user" SET verification_mailed_at = NULL')
    assert (await stranger.http.post("/auth/email/resend", json={"email": ADA})).status_code == httpx.codes.ACCEPTED
    await _forgot(stranger)
    assert [mail["Subject"] for mail in await post.take(2)] == ["Is this your email?", "A new password"], (
        "who has shown it is asked no more"
    )


async def test_a_mail_in_the_clear_is_not_sent_where_tls_was_asked_for(post: SmtpServer) -> None:
    with pytest.raises(MailRefused):
        await SmtpPost(SecretStr(f"smtp://me:canary@127.0.0.1:{post.port}"), "a@example.com").send(Mail(to=ADA, subject="x", text="y"))
    assert [line for line in post.heard if line.startswith(("AUTH", "MAIL", "STARTTLS"))] == []


async def test_a_hash_from_elsewhere_is_made_one_of_ours_by_logging_in(ada: Visitor, stranger: Visitor, database_url: str) -> None:
    assert ada
    brought = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    _do(database_url, f"UPDATE \"user\" SET password_hash = '{brought}'")  # noqa: S608  # a hash has no quotes
    assert (await _log_in(stranger, "Wrong-12")).json()["code"] == "invalid_credentials"
    assert _do(database_url, 'SELECT password_hash FROM "user"') == [(brought,)]
    assert (await _log_in(stranger)).is_success
    [(made,)] = _do(database_url, 'SELECT password_hash FROM "user"')
    assert made.startswith("$argon2id$")
    assert (await _log_in(stranger)).is_success


async def test_a_mail_is_told_as_sent_once_it_is_taken(post: SmtpServer) -> None:
    smtp, mail = SmtpPost(SecretStr(f"smtp+plain://127.0.0.1:{post.port}"), "a@example.com"), Mail(to=ADA, subject="x", text="y")
    with hearing(signals.mail_sent) as told:
        await smtp.send(mail)
        post.refusals += ["450 Later", "550 Never"]
        for error in (MailUnavailable, MailRefused):
            with pytest.raises(error):
                await smtp.send(mail)
        await LoggedPost().send(mail)
    assert told == [("mail_sent", "ok"), ("mail_sent", "failed"), ("mail_sent", "failed")]
