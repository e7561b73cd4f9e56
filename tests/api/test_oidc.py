"""Signing in with an account elsewhere: the way it goes, and every way an attacker may bend it."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from http.cookies import SimpleCookie
from typing import Any, Final

import httpx
import jwt
import psycopg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization

from tests.conftest import Server
from tests.issuer import CLIENT, SECRET, Issuer, issuing, new_key
from tests.visitor import PASSWORD

OUTSIDE: Final = "http://milepost.test"


@pytest.fixture(scope="module")
def _issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(_issuer: Issuer) -> Issuer:
    """As it should be, whatever a test before had it do."""
    _issuer.key = new_key()
    _issuer.signing, _issuer.key_id, _issuer.algorithm = None, "one", "RS256"
    for made in (_issuer.claims, _issuer.metadata, _issuer.answers, _issuer.sends_back, _issuer.codes):
        made.clear()
    _issuer.asked.clear()
    return _issuer


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], issuer: Issuer) -> dict[str, str]:
    own = {"OIDC_ISSUER": issuer.url, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET, "OIDC_NAME": "Home", "PUBLIC_URL": OUTSIDE}
    return variables_of_test | own


@pytest_asyncio.fixture
async def browser(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Keeps cookies, and goes where it is sent only when a test says so."""
    async with httpx.AsyncClient(base_url=f"{server.url}/api/v1", timeout=30) as client:
        yield client


async def sent_back(browser: httpx.AsyncClient) -> str:
    """Go to the provider and agree; return where it sends the browser, at the server of the test."""
    begun = await browser.get("/auth/oidc/login")
    assert begun.status_code == httpx.codes.FOUND, begun.text
    async with httpx.AsyncClient() as elsewhere:
        agreed = await elsewhere.get(begun.headers["location"])
    back: str = agreed.headers["location"]
    assert back.startswith(f"{OUTSIDE}/api/v1/auth/oidc/callback?")
    return back.replace(f"{OUTSIDE}/api/v1", "")


async def sign_in(browser: httpx.AsyncClient) -> httpx.Response:
    return await browser.get(await sent_back(browser))


async def expect_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert "milepost_page" not in answer.headers.get("set-cookie", "")


async def test_somebody_new_has_an_account_without_a_password_and_comes_back_to_it(
    browser: httpx.AsyncClient, issuer: Issuer, database_url: str
) -> None:
    answer = await sign_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    first = (await browser.get("/auth/me")).json()
    assert first["email"] == "ada@example.com"
    issuer.claims["email"] = "moved@example.com"  # it is the subject that counts
    browser.cookies.clear()
    await sign_in(browser)
    assert (await browser.get("/auth/me")).json() == first
    with psycopg.connect(database_url) as connection:
        assert connection.execute('SELECT password_hash, (SELECT count(*) FROM identity) FROM "user"').fetchall() == [(None, 1)]
    assert issuer.asked.count("/.well-known/openid-configuration") == issuer.asked.count("/keys") == 1


async def test_what_goes_through_addresses_tells_nothing_of_the_browsers_secret(browser: httpx.AsyncClient) -> None:
    begun = await browser.get("/auth/oidc/login")
    cookie = SimpleCookie(begun.headers["set-cookie"])["milepost_sign_in"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/api/v1/auth")
    asked = httpx.URL(begun.headers["location"]).params
    assert (asked["response_type"], asked["scope"], asked["code_challenge_method"]) == ("code", "openid email", "S256")
    assert cookie.value not in str(begun.headers["location"])
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    again = await browser.get("/auth/oidc/login")
    assert httpx.URL(again.headers["location"]).params["state"] != asked["state"]


async def test_the_page_is_told_of_the_provider(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/auth/page")).json()
    assert page == {"user": None, "providers": [{"name": "Home", "url": "/api/v1/auth/oidc/login"}], "sends_mail": False}


CLAIMS: Final[dict[str, dict[str, Any]]] = {
    "another nonce": {"nonce": "of another attempt"},
    "no nonce": {"nonce": None},
    "a nonce that is none": {"nonce": 7},
    "another audience": {"aud": "somebody-else"},
    "several audiences and no party": {"aud": [CLIENT, "somebody-else"]},
    "another party": {"aud": [CLIENT, "somebody-else"], "azp": "somebody-else"},
    "another issuer": {"iss": "https://elsewhere.example.com"},
    "expired": {"exp": int(time.time()) - 3600},
    "without an end": {"exp": None},
    "of the future": {"iat": int(time.time()) + 3600},
    "nobody": {"sub": ""},
    "no subject": {"sub": None},
    "a number": {"sub": 7},
    "an endless name": {"sub": "x" * 256},
}


async def test_a_token_with_wrong_claims_lets_nobody_in(browser: httpx.AsyncClient, issuer: Issuer, database_url: str) -> None:
    for name, claims in CLAIMS.items():
        issuer.claims = claims
        answer = await sign_in(browser)
        assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_failed"), name
        assert "milepost_page" not in answer.headers.get("set-cookie", "")
    with psycopg.connect(database_url) as connection:
        assert connection.execute('SELECT count(*) FROM "user"').fetchone() == (0,)
    issuer.claims = {"aud": [CLIENT, "somebody-else"], "azp": CLIENT}
    assert (await sign_in(browser)).status_code == httpx.codes.SEE_OTHER


async def test_a_token_that_the_issuer_did_not_sign_lets_nobody_in(browser: httpx.AsyncClient, issuer: Issuer) -> None:
    issuer.algorithm = "none"
    await expect_refused(await sign_in(browser), 401, "sign_in_failed")
    issuer.algorithm, issuer.signing = "RS256", new_key()
    await expect_refused(await sign_in(browser), 401, "sign_in_failed")
    issuer.algorithm = "RS512"
    issuer.signing = None
    await expect_refused(await sign_in(browser), 401, "sign_in_failed")
    for token in (None, 7, "", "a.b.c", "x" * 20_000, _signed_with_the_public_key(issuer)):
        issuer.answers["/token"] = (200, json.dumps({"id_token": token}).encode())
        await expect_refused(await sign_in(browser), 401, "sign_in_failed")


def _signed_with_the_public_key(issuer: Issuer) -> str:
    """HS256, as if what everybody may know were a secret that is shared; PyJWT would not make one."""
    public = issuer.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(issuer.token("x"), options={"verify_signature": False})
    parts = [urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in ({"alg": "HS256", "kid": "one"}, claims)]
    signed = b".".join(parts)
    return (signed + b"." + urlsafe_b64encode(hmac.digest(public, signed, sha256)).rstrip(b"=")).decode()


async def test_a_symmetric_key_among_the_issuers_keys_is_no_key(browser: httpx.AsyncClient, issuer: Issuer) -> None:
    shared = {"kty": "oct", "k": urlsafe_b64encode(b"k" * 32).decode(), "kid": "one", "alg": "HS256"}
    issuer.answers["/keys"] = (200, json.dumps({"keys": [shared]}).encode())
    issuer.algorithm, issuer.signing = "HS256", b"k" * 32
    await expect_refused(await sign_in(browser), 401, "sign_in_failed")


async def test_a_return_that_was_not_begun_in_this_browser_is_refused(browser: httpx.AsyncClient, server: Server) -> None:
    back = await sent_back(browser)
    async with httpx.AsyncClient(base_url=f"{server.url}/api/v1") as victim:
        await expect_refused(await victim.get(back), 401, "sign_in_failed")
        await victim.get("/auth/oidc/login")
        await expect_refused(await victim.get(back), 401, "sign_in_failed")
    for without in ("/auth/oidc/callback", "/auth/oidc/callback?code=x", f"{back}&state=other", "/auth/oidc/callback?state=%F0%9F%98%80"):
        await expect_refused(await browser.get(without), 401, "sign_in_failed")
    assert (await browser.get(back)).status_code == httpx.codes.SEE_OTHER


async def test_a_code_is_good_once(browser: httpx.AsyncClient) -> None:
    back = await sent_back(browser)
    kept = dict(browser.cookies)
    assert (await browser.get(back)).status_code == httpx.codes.SEE_OTHER
    await expect_refused(await browser.get(back), 401, "sign_in_failed")  # the attempt is over
    browser.cookies.update(kept)
    await expect_refused(await browser.get(back), 401, "sign_in_failed")  # and so is the code


async def test_an_answer_of_another_issuer_is_refused_before_its_code_goes_anywhere(browser: httpx.AsyncClient, issuer: Issuer) -> None:
    issuer.sends_back = {"iss": "https://elsewhere.example.com"}
    await expect_refused(await sign_in(browser), 401, "sign_in_failed")
    issuer.sends_back = {}
    back = await sent_back(browser)
    await expect_refused(await browser.get(back.partition("&iss=")[0]), 401, "sign_in_failed")
    assert "/token" not in issuer.asked


async def test_who_declines_there_is_not_signed_in(browser: httpx.AsyncClient) -> None:
    begun = await browser.get("/auth/oidc/login")
    state = httpx.URL(begun.headers["location"]).params["state"]
    refused = await browser.get("/auth/oidc/callback", params={"error": "access_denied", "state": state})
    await expect_refused(refused, 401, "sign_in_failed")


BAD: Final[dict[str, tuple[str, int, bytes, int, str]]] = {
    "down": ("/.well-known/openid-configuration", 503, b"", 503, "provider_unavailable"),
    "not there": ("/.well-known/openid-configuration", 404, b"{}", 502, "provider_bad_answer"),
    "moved": ("/.well-known/openid-configuration", 302, b"{}", 502, "provider_bad_answer"),
    "no JSON": ("/.well-known/openid-configuration", 200, b"<html>", 502, "provider_bad_answer"),
    "a list": ("/.well-known/openid-configuration", 200, b"[]", 502, "provider_bad_answer"),
    "endless": ("/.well-known/openid-configuration", 200, b" " * 1_100_000, 502, "provider_bad_answer"),
    "another's name": (
        *("/.well-known/openid-configuration", 200),
        json.dumps(
            {"issuer": "https://evil.example.com", **dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), "x")}
        ).encode(),
        *(502, "provider_bad_answer"),
    ),
}


async def test_a_provider_that_is_down_or_mad_is_told_of_and_asked_again(browser: httpx.AsyncClient, issuer: Issuer) -> None:
    for name, (path, status, body, expected, code) in BAD.items():
        issuer.answers[path] = (status, body)
        answer = await browser.get("/auth/oidc/login")
        assert (answer.status_code, answer.json()["code"]) == (expected, code), name
        assert "evil" not in answer.text
    issuer.answers.clear()
    for path, body, expected, code in [
        ("/token", b"", 503, "provider_unavailable"),
        ("/keys", b"", 503, "provider_unavailable"),
    ]:
        issuer.answers[path] = (500, body)
        await expect_refused(await sign_in(browser), expected, code)
        issuer.answers.clear()
    for keys in (b"[]", b'{"keys": []}', b'{"keys": 7}', b'{"keys": [{"kty": "RSA", "n": "!", "e": "?"}]}', b"7"):
        issuer.answers["/keys"] = (200, keys)
        await expect_refused(await sign_in(browser), 502, "provider_bad_answer")
    issuer.answers.clear()
    issuer.answers["/token"] = (401, b'{"error": "invalid_client"}')
    await expect_refused(await sign_in(browser), 502, "provider_bad_answer")
    issuer.answers.clear()
    assert (await sign_in(browser)).status_code == httpx.codes.SEE_OTHER


async def test_a_key_that_the_issuer_has_changed_is_found(
    browser: httpx.AsyncClient, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await sign_in(browser)).status_code == httpx.codes.SEE_OTHER
    issuer.key, issuer.key_id = new_key(), "two"
    await expect_refused(await sign_in(browser), 401, "sign_in_failed")  # within a minute nobody has us ask again
    monkeypatch.setattr("app.accounts.oidc.provider._UNKNOWN_KEY_SECONDS", 0)
    assert (await sign_in(browser)).status_code == httpx.codes.SEE_OTHER


async def test_who_knows_the_password_joins_the_two_in_the_same_browser(
    browser: httpx.AsyncClient, server: Server, database_url: str
) -> None:
    hers = {"email": "ada@example.com", "password": PASSWORD}
    own = {"X-Milepost-CSRF": "1", "Sec-Fetch-Site": "same-origin"}
    await browser.post("/auth/register", json=hers)
    await browser.post("/auth/register", json=hers | {"email": "bob@example.com"})
    await expect_refused(await sign_in(browser), 409, "account_exists")
    # Neither in another browser, nor by another's password, nor too late.
    async with httpx.AsyncClient(base_url=f"{server.url}/api/v1") as elsewhere:
        assert (await elsewhere.post("/auth/page/login", json=hers, headers=own)).is_success
    assert (await browser.post("/auth/page/login", json=hers | {"email": "bob@example.com"}, headers=own)).is_success
    await expect_refused(await sign_in(browser), 409, "account_exists")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE identity SET created_at = now() - interval '11 minutes'")
        assert (await browser.post("/auth/page/login", json=hers, headers=own)).is_success
        assert connection.execute("SELECT count(*) FROM identity WHERE pending_hash IS NULL").fetchone() == (0,)
    await expect_refused(await sign_in(browser), 409, "account_exists")
    assert (await browser.post("/auth/page/login", json=hers, headers=own)).is_success
    browser.cookies.clear()
    assert (await sign_in(browser)).status_code == httpx.codes.SEE_OTHER
    assert (await browser.get("/auth/me")).json()["email"] == "ada@example.com"
    with psycopg.connect(database_url) as connection:
        noted = connection.execute("SELECT user_id = actor_id, address FROM audit WHERE event = 'identity_joined'").fetchall()
    assert noted == [(True, "127.0.0.1")]


async def test_who_is_shut_out_joins_nothing(browser: httpx.AsyncClient, database_url: str) -> None:
    hers = {"email": "ada@example.com", "password": PASSWORD}
    await browser.post("/auth/register", json=hers)
    await expect_refused(await sign_in(browser), 409, "account_exists")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('UPDATE "user" SET disabled_at = now()')
        refused = await browser.post("/auth/page/login", json=hers, headers={"X-Milepost-CSRF": "1", "Sec-Fetch-Site": "same-origin"})
        assert refused.json()["code"] == "invalid_credentials"
        assert connection.execute("SELECT count(*) FROM identity WHERE pending_hash IS NULL").fetchone() == (0,)


async def test_an_email_alone_opens_nobodys_account(browser: httpx.AsyncClient, issuer: Issuer) -> None:
    """Whoever registered it first may not be who has the address; and addresses change hands."""
    planted = {"email": "ada@example.com", "password": PASSWORD}
    assert (await browser.post("/auth/register", json=planted)).status_code == httpx.codes.CREATED
    await expect_refused(await sign_in(browser), 409, "account_exists")
    issuer.claims = {"email": "bob@example.com", "sub": "bob"}
    assert (await sign_in(browser)).status_code == httpx.codes.SEE_OTHER
    issuer.claims = {"email": "bob@example.com", "sub": "the next bob"}
    await expect_refused(await sign_in(browser), 409, "account_exists")


@pytest.mark.parametrize(
    "claims", [{"email_verified": False}, {"email_verified": None}, {"email_verified": "no"}, {"email": None}, {"email": 7}]
)
async def test_an_email_that_the_provider_does_not_vouch_for_makes_no_account(
    claims: dict[str, Any], browser: httpx.AsyncClient, issuer: Issuer
) -> None:
    issuer.claims = claims
    await expect_refused(await sign_in(browser), 403, "email_unverified")


async def test_who_has_no_password_erases_the_account_soon_after_logging_in(browser: httpx.AsyncClient, database_url: str) -> None:
    await sign_in(browser)
    own = {"X-Milepost-CSRF": "1", "Sec-Fetch-Site": "same-origin"}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE login SET created_at = now() - interval '11 minutes'")
        refused = await browser.request("DELETE", "/me", json={"password": ""}, headers=own)
        await expect_refused(refused, 403, "login_too_old")
        await sign_in(browser)
        erased = await browser.request("DELETE", "/me", json={"password": ""}, headers=own)
        assert erased.json()["counts"]["identity"] == 1, erased.text
        assert connection.execute('SELECT (SELECT count(*) FROM "user"), (SELECT count(*) FROM identity)').fetchone() == (0, 0)


async def test_who_has_no_password_makes_a_key_soon_after_logging_in(browser: httpx.AsyncClient, database_url: str) -> None:
    await sign_in(browser)
    own, key = {"X-Milepost-CSRF": "1", "Sec-Fetch-Site": "same-origin"}, {"name": "Report", "scopes": ["chat"]}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE login SET created_at = now() - interval '11 minutes'")
    for password in (None, "", PASSWORD):
        refused = await browser.post("/auth/api-keys", json={**key, "password": password}, headers=own)
        await expect_refused(refused, 403, "login_too_old")
    await sign_in(browser)
    assert (await browser.post("/auth/api-keys", json=key, headers=own)).status_code == httpx.codes.CREATED


async def test_who_has_no_password_sets_one_soon_after_logging_in(browser: httpx.AsyncClient, database_url: str) -> None:
    await sign_in(browser)
    own, change = {"X-Milepost-CSRF": "1", "Sec-Fetch-Site": "same-origin"}, {"old_password": "", "new_password": PASSWORD}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE login SET created_at = now() - interval '11 minutes'")
    await expect_refused(await browser.post("/auth/password", json=change, headers=own), 403, "login_too_old")
    await sign_in(browser)
    assert (await browser.post("/auth/password", json=change, headers=own)).status_code == httpx.codes.NO_CONTENT
    assert (await browser.post("/auth/login", data={"username": "ada@example.com", "password": PASSWORD})).is_success
    await expect_refused(await browser.post("/auth/password", json=change, headers=own), 403, "wrong_password")


async def test_who_has_no_password_cannot_log_in_with_one(browser: httpx.AsyncClient, database_url: str) -> None:
    await sign_in(browser)
    for password in ("", PASSWORD, "None"):
        refused = await browser.post("/auth/login", data={"username": "ada@example.com", "password": password})
        assert refused.status_code in {401, 422}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('UPDATE "user" SET disabled_at = now()')
    browser.cookies.clear()
    await expect_refused(await sign_in(browser), 401, "invalid_credentials")
