"""Strings that would be scripts on a careless page are words on ours, wherever they are shown, and what runs is our own files."""

from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Served
from tests.browser.visitor import address_of_session, expect_status, say, session_names, sign_up, signature
from tests.security.strings import ON_ONE_LINE, WITH_LINES
from tests.stub.answers import Text
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

_FOUND = """() => ({
    owned: window.owned ?? null,
    scripts: [...document.scripts].map((one) => one.src).filter((src) => !src.startsWith(location.origin + "/static/")),
    handlers: [...document.querySelectorAll("*")].flatMap((one) => one.getAttributeNames()).filter((name) => name.startsWith("on")),
    links: [...document.querySelectorAll("a[href]")].map((one) => one.protocol).filter((kind) => !/^https?:$|^mailto:$/.test(kind)),
    embedded: document.querySelectorAll("iframe, object, embed, base, form[action], .prose :is(img, svg:not(.icon), style)").length,
})"""
_NOTHING: Final[dict[str, Any]] = {"owned": None, "scripts": [], "handlers": [], "links": [], "embedded": 0}


async def test_what_is_said_answered_and_named_runs_no_script(page: Page, provider: ProviderStub) -> None:
    await sign_up(page)
    texts = ["\n\n".join(ON_ONE_LINE.values()), *(text[:5_000] for text in WITH_LINES.values())]
    await provider.script(*(Text(pieces=(text[:9], text[9:])) for text in texts))
    for text in texts:
        await expect_status(await say(page, text), "completed")
        assert await page.evaluate(_FOUND) == _NOTHING, text
    await page.reload()
    await expect(page.get_by_role("article")).to_have_count(len(texts))
    assert await page.evaluate(_FOUND) == _NOTHING

    headers, sessions = await signature(page), f"{address_of_session(page).rpartition('/')[0]}"
    for name in ON_ONE_LINE.values():
        assert (await page.request.post(sessions, headers=headers, data={"name": name})).ok
    await page.reload()
    # As they were written, and not as HTML would have them.
    written = [name.strip() for name in reversed([*ON_ONE_LINE.values()])]
    await expect(session_names(page).first).to_have_text(written[0])
    assert [(await name.text_content() or "").strip() for name in (await session_names(page).all())[: len(written)]] == written
    assert await page.evaluate(_FOUND) == _NOTHING


# In a callback, for what DevTools run themselves is under no policy.
_TRIES: Final = """() => new Promise((done) => {
    const told = [];
    document.addEventListener("securitypolicyviolation", (event) => told.push(event.effectiveDirective));
    const inline = () => {
        const script = document.createElement("script");
        script.append("window.owned = 1");
        document.body.append(script);
    };
    const tries = {
        html: () => document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.owned = 1'>"),
        eval: () => eval("window.owned = 1"),
        string: () => setTimeout("window.owned = 1"),
        url: () => { document.createElement("script").src = "https://evil.invalid/x.js"; },
        policy: () => trustedTypes.createPolicy("mine", { createHTML: (text) => text }),
        inline,
    };
    setTimeout(async () => {
        const stopped = Object.keys(tries).filter((name) => { try { tries[name](); return false; } catch { return true; } });
        await fetch("https://evil.invalid/").catch(() => stopped.push("fetch"));
        setTimeout(() => done({ told, stopped, owned: window.owned ?? null }), 100);
    });
})"""


async def test_the_pages_policy_stops_what_a_fault_of_ours_would_let_in(browser: Browser, server: Served) -> None:
    """Were the sanitiser passed by: no text becomes HTML, no script runs that is not a file of ours, nothing is sent elsewhere."""
    page = await browser.new_page(base_url=server.url)
    await page.goto("/")
    found = await page.evaluate(_TRIES)
    await page.close()
    assert found["owned"] is None
    assert {*found["stopped"]} >= {"html", "eval", "string", "url", "policy", "fetch"}
    assert {"require-trusted-types-for", "trusted-types", "connect-src"} <= {*found["told"]}
