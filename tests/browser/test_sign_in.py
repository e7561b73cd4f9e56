"""Signing in at the page with an account elsewhere, through a real provider on loopback."""

from collections.abc import AsyncIterator, Iterator
from typing import Final
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import Served
from tests.browser.visitor import say
from tests.issuer import CLIENT, SECRET, Issuer, issuing
from tests.stub.answers import Text
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OUTSIDE: Final = "http://milepost.test"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], issuer: Issuer) -> dict[str, str]:
    own = {"OIDC_ISSUER": issuer.url, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET, "OIDC_NAME": "Home", "PUBLIC_URL": OUTSIDE}
    return variables_of_test | own


@pytest_asyncio.fixture(loop_scope="module")
async def door(browser: Browser, server: Served) -> AsyncIterator[Page]:
    """The page, before anybody is in; the server's port was not known when it was told where browsers find it."""
    context = await browser.new_context(base_url=server.url)
    page = await context.new_page()

    async def at_home(route: Route) -> None:
        address = urlsplit(route.request.url)
        await route.fulfill(status=302, headers={"Location": f"{server.url}{address.path}?{address.query}"})

    await page.route(f"{OUTSIDE}/**", at_home)
    await page.goto("/")
    yield page
    await context.close()


async def test_somebody_signs_in_elsewhere_and_talks(door: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Welcome."))
    await door.get_by_role("link", name="Continue with Home").click()
    await expect(door.get_by_role("heading", name="Where to?")).to_be_visible()
    await expect(door.get_by_text("ada@example.com")).to_be_visible()
    await expect(await say(door, "Hello")).to_contain_text("Welcome.")
    await door.reload()
    await expect(door.get_by_text("ada@example.com")).to_be_visible()


async def test_who_is_refused_is_told_why_in_words(door: Page, issuer: Issuer) -> None:
    issuer.claims["email_verified"] = False
    await door.get_by_role("link", name="Continue with Home").click()
    await expect(door.get_by_role("status").filter(has_text="is not confirmed there")).to_be_visible()
    issuer.answers["/token"] = (500, b"")
    await door.get_by_role("link", name="Continue with Home").click()
    await expect(door.get_by_role("status").filter(has_text="is not possible now")).to_be_visible()
    assert "#" not in door.url
