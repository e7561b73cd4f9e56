"""Being logged in at the page, and what an attacker in a browser can do with that."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.browser.visitor import PASSWORD, fill_in, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

STORED: Final = """async () => {
    const bases = await indexedDB.databases();
    const caches_ = await caches.keys();
    return JSON.stringify([{...localStorage}, {...sessionStorage}, bases, caches_, document.cookie, window.name, location.href]);
}"""
# What a page elsewhere can do with the cookie of its visitor: send a form, or ask without being answered.
ATTACK: Final = """async (api) => {
    const tried = [];
    for (const mode of ["cors", "no-cors"]) {
        for (const headers of [{}, {"X-Milepost-CSRF": "1"}]) {
            const answer = await fetch(`${api}/sessions`, {method: "POST", mode, headers, credentials: "include"}).catch(() => null);
            tried.push(answer && answer.type !== "opaque" ? answer.status : "unread");
        }
    }
    return tried;
}"""


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title><link rel=icon href=data:,>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parent's name
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page of another origin, on another port of this machine: a neighbour, to whom even a strict cookie is shown."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def test_no_script_sees_the_login_and_a_reload_keeps_it(page: Page) -> None:
    email = await sign_up(page)
    (cookie,) = await page.context.cookies()
    secret = cookie.get("value", "")
    assert (cookie.get("httpOnly"), cookie.get("sameSite"), cookie.get("path")) == (True, "Strict", "/api")
    stored = await page.evaluate(STORED)
    assert len(secret) == 43
    assert secret not in stored
    assert "eyJ" not in stored
    assert "milepost_page" not in stored
    await page.reload()
    await expect(page.get_by_text(email)).to_be_visible()

    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert await page.context.cookies() == []
    await page.reload()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    await fill_in(page, email, PASSWORD)
    await expect(page.get_by_role("heading", name="Where to?")).to_be_visible()


async def test_who_cannot_be_logged_out_is_told_so(page: Page) -> None:
    await sign_up(page)
    await page.route("**/auth/page/logout", lambda route: route.fulfill(status=503, body=""), times=1)
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_role("heading", name="Where to?")).to_be_visible()
    await page.get_by_role("button", name="Retry").click()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_a_neighbours_page_does_nothing_with_the_login(page: Page, elsewhere: str) -> None:
    await sign_up(page)
    server = page.url.rstrip("/#")
    other = await page.context.new_page()
    await other.goto(elsewhere)
    assert await other.evaluate(ATTACK, f"{server}/api/v1") == ["unread"] * 4
    async with other.expect_navigation():
        form = (
            "api => { const f = document.createElement('form'); f.method = 'POST'; f.action = api; document.body.append(f); f.submit(); }"
        )
        await other.evaluate(form, f"{server}/api/v1/sessions")
    assert "csrf_refused" in await other.content()
    await other.close()
    await page.reload()
    await expect(page.get_by_role("navigation").locator(".session-name")).to_have_count(0)
