"""A page in a real Chromium that forgives no error."""

import shutil
from collections.abc import AsyncIterator
from typing import Final, Protocol

import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Nothing here is about speed: a page beside other tests on few processors is waited for.
expect.set_options(timeout=20_000)


class Served(Protocol):
    """What a page needs of the `server` fixture."""

    @property
    def url(self) -> str: ...


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, server: Served) -> AsyncIterator[Page]:
    """Open the page; an error on its console, or a request to anywhere but the server, fails the test at its end."""
    context = await browser.new_context(base_url=server.url, viewport={"width": 1200, "height": 800})
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if _is_fault(message) else None)
    page.on("request", lambda request: None if request.url.removeprefix("blob:").startswith(server.url) else faults.append(request.url))
    await page.goto("/")
    yield page
    await context.close()
    assert faults == []


def _is_fault(message: ConsoleMessage) -> bool:
    # Chromium reports every refused request here; that the API may refuse is what some tests are about.
    refused = message.text.startswith("Failed to load resource") and "/api/v1/" in message.location["url"]
    return message.type in {"error", "warning"} and not refused
