"""The page's cookie: what it is good for, from where, and that nobody else's page can use it."""

from http.cookies import SimpleCookie
from typing import Final

import httpx
import psycopg
import pytest

from tests.conftest import Server
from tests.persistence.clients import ask, eventually
from tests.visitor import PASSWORD, Visitor

EVE: Final = {"email": "eve@example.com", "password": PASSWORD}
MARK: Final = {"X-Milepost-CSRF": "1"}


def own(server: Server) -> dict[str, str]:
    """What a browser adds to a request of our page, with the page's own header."""
    return {**MARK, "Origin": server.url, "Sec-Fetch-Site": "same-origin"}


async def enter(stranger: Visitor, server: Server) -> str:
    """Register at the page; the cookie stays with the visitor. Return what the browser is told of it."""
    answer = await stranger.http.post("/auth/page/register", json=EVE, headers=own(server))
    assert answer.status_code == httpx.codes.CREATED, answer.text
    assert answer.json().keys() == {"id", "email", "remembers", "role", "tier", "email_verified", "created_at"}
    return str(answer.headers["set-cookie"])


async def test_the_cookie_is_kept_from_scripts_and_other_sites(stranger: Visitor, server: Server, database_url: str) -> None:
    told = SimpleCookie(await enter(stranger, server))["milepost_page"]
    assert (told["httponly"], told["samesite"], told["path"], told["max-age"], told["secure"]) == (True, "strict", "/api", "1209600", "")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM login WHERE position(%s in page_hash) > 0", [told.value.encode()]).fetchone() == (
            0,
        )


@pytest.mark.variables(PUBLIC_URL="https://chat.example.com")
async def test_over_tls_no_other_host_and_no_plain_connection_has_the_cookie(stranger: Visitor) -> None:
    headers = {**MARK, "Origin": "https://chat.example.com"}
    answer = await stranger.http.post("/auth/page/register", json=EVE, headers=headers)
    told = SimpleCookie(answer.headers["set-cookie"])["__Host-milepost_page"]
    assert (told["httponly"], told["samesite"], told["path"], told["secure"], told["domain"]) == (True, "strict", "/", True, "")
    kept = {"Cookie": f"__Host-milepost_page={told.value}"}
    assert (await stranger.http.get("/auth/me", headers=kept)).json()["email"] == EVE["email"]
    # Whoever can write a cookie without the prefix has not written ours.
    assert (await stranger.http.get("/auth/me", headers={"Cookie": f"milepost_page={told.value}"})).status_code == 401
    elsewhere = await stranger.http.post("/sessions", json={}, headers={**kept, **MARK, "Origin": "https://elsewhere.example.com"})
    assert elsewhere.json()["code"] == "csrf_refused"


async def test_the_page_does_all_with_the_cookie_until_it_logs_out(stranger: Visitor, server: Server) -> None:
    await enter(stranger, server)
    made = await stranger.http.post("/sessions", json={}, headers=own(server))
    assert made.status_code == httpx.codes.CREATED
    assert (await stranger.http.get(f"/sessions/{made.json()['id']}")).status_code == httpx.codes.OK
    kept = {"Cookie": "; ".join(f"{name}={value}" for name, value in stranger.http.cookies.items())}
    left = await stranger.http.post("/auth/page/logout", headers=own(server))
    assert left.status_code == httpx.codes.NO_CONTENT
    assert not stranger.http.cookies
    again = await stranger.http.get("/auth/me", headers=kept)
    assert (again.status_code, again.json()["code"]) == (401, "not_authenticated")
    assert (await stranger.http.get("/auth/page", headers=kept)).json()["user"] is None
    assert (await stranger.http.post("/auth/page/logout", headers=own(server))).status_code == httpx.codes.NO_CONTENT


ATTACKS: Final = {
    "a form of another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"},
    "a form of ours without the header": {"Sec-Fetch-Site": "same-origin"},
    "a script of a neighbour": {**MARK, "Sec-Fetch-Site": "same-site", "Origin": "https://other.localhost"},
    "a script of another port": {**MARK, "Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
    "an old browser": {**MARK, "Origin": "https://evil.example.com"},
    "a sandboxed frame": {**MARK, "Origin": "null"},
    "an origin that is none": {**MARK, "Origin": "http://["},
    "nothing but the header": MARK,
    "the wrong word": {"X-Milepost-CSRF": "0", "Sec-Fetch-Site": "same-origin"},
    "nothing": {},
}


@pytest.mark.variables(ALLOWED_ORIGINS="https://evil.example.com,http://127.0.0.1:1")
async def test_no_other_page_changes_anything_with_the_cookie_even_one_that_may_call_the_api(stranger: Visitor, server: Server) -> None:
    await enter(stranger, server)
    session = (await stranger.http.post("/sessions", json={}, headers=own(server))).json()["id"]
    asked = [
        ("POST", "/sessions", {}),
        ("DELETE", f"/sessions/{session}", None),
        ("POST", f"/sessions/{session}/chat", {"message": "Hi"}),
        ("POST", "/attachments", {}),
        ("POST", "/auth/api-keys", {"name": "Mine", "scopes": ["chat"]}),
        ("DELETE", "/me", {"password": PASSWORD}),
        ("POST", "/auth/page/login", {"email": "mallory@example.com", "password": PASSWORD}),
        ("POST", "/auth/page/logout", None),
    ]
    for name, headers in ATTACKS.items():
        for method, path, body in asked:
            refused = await stranger.http.request(method, path, json=body, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "csrf_refused"), (name, path)
            assert "set-cookie" not in refused.headers
    assert [one["id"] for one in (await stranger.http.get("/sessions")).json()["items"]] == [session]


@pytest.mark.variables(ALLOWED_ORIGINS="https://evil.example.com")
async def test_no_other_page_reads_anything_with_the_cookie(stranger: Visitor, server: Server) -> None:
    await enter(stranger, server)
    for headers in ({"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example.com"}):
        refused = await stranger.http.get("/auth/me", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_refused")
        assert "access-control-allow-credentials" not in refused.headers
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-milepost-csrf"}
    before = await stranger.http.options("/sessions", headers={"Origin": "https://evil.example.com", **asked})
    assert "access-control-allow-credentials" not in before.headers
    for site in ("same-origin", "none"):  # none: somebody has typed the address
        assert (await stranger.http.get("/auth/me", headers={"Sec-Fetch-Site": site})).status_code == httpx.codes.OK


async def test_a_token_needs_no_such_proof_and_goes_before_the_cookie(ada: Visitor, server: Server) -> None:
    await enter(ada, server)
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example.com"}
    assert (await ada.http.post("/sessions", json={}, headers=elsewhere)).status_code == httpx.codes.CREATED
    assert (await ada.http.get("/auth/me")).json()["email"] == "ada@example.com"


async def test_mcp_takes_no_cookie(stranger: Visitor, server: Server) -> None:
    await enter(stranger, server)
    kept = {"Cookie": "; ".join(f"{name}={value}" for name, value in stranger.http.cookies.items()), **own(server)}
    del kept["Origin"]
    refused = await stranger.http.post(f"{server.url}/mcp", json={}, headers=kept)
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE login SET revoked_at = now()",
        'UPDATE "user" SET disabled_at = now()',
        "UPDATE login SET seen_at = now() - interval '15 days'",
        'DELETE FROM "user"',
    ],
)
async def test_a_page_that_was_ended_or_left_alone_for_a_fortnight_is_logged_out(
    end: str, stranger: Visitor, server: Server, database_url: str
) -> None:
    await enter(stranger, server)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(end)
    assert (await stranger.http.get("/auth/me")).json()["code"] == "not_authenticated"
    page = await stranger.http.get("/auth/page")
    assert page.json()["user"] is None


async def test_each_visit_keeps_the_login_for_longer(stranger: Visitor, server: Server, database_url: str) -> None:
    first = SimpleCookie(await enter(stranger, server))["milepost_page"].value
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE login SET seen_at = now() - interval '13 days'")
        page = await stranger.http.get("/auth/page")
        assert page.json()["user"]["email"] == EVE["email"]
        assert page.headers["cache-control"] == "no-store"
        told = SimpleCookie(page.headers["set-cookie"])["milepost_page"]
        assert (told.value, told["max-age"]) == (first, "1209600")
    assert eventually(lambda: ask(database_url, "SELECT seen_at > now() - interval '1 minute' FROM login") is True, 10)


async def test_logging_in_again_is_another_secret_and_ends_the_one_before(stranger: Visitor, server: Server) -> None:
    await enter(stranger, server)
    kept = {"Cookie": "; ".join(f"{name}={value}" for name, value in stranger.http.cookies.items())}
    entered = await stranger.http.post("/auth/page/login", json=EVE, headers=own(server))
    assert entered.json()["email"] == EVE["email"]
    assert stranger.http.cookies["milepost_page"] not in kept["Cookie"]
    assert (await stranger.http.get("/auth/me")).status_code == httpx.codes.OK
    stranger.http.cookies.clear()
    assert (await stranger.http.get("/auth/me", headers=kept)).status_code == httpx.codes.UNAUTHORIZED


async def test_nothing_tells_an_unknown_email_from_a_wrong_password_at_the_page(stranger: Visitor, server: Server) -> None:
    await enter(stranger, server)
    answers = [
        await stranger.http.post("/auth/page/login", json={"email": email, "password": password}, headers=own(server))
        for email, password in [(EVE["email"], "Wrong-12"), ("nobody@example.com", PASSWORD), ("\0", "\0")]
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "invalid_credentials")}


@pytest.mark.parametrize(
    "cookie", ["milepost_page=", "milepost_page=" + "x" * 5000, "milepost_page=a; milepost_page=b", "milepost_page", ";;="]
)
async def test_a_cookie_that_is_none_of_ours_is_nobodys(cookie: str, stranger: Visitor) -> None:
    refused = await stranger.http.get("/auth/me", headers={"Cookie": cookie})
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
