"""The API's own page: Swagger, from our files, under a policy that lets nothing else in."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.visitor import PASSWORD, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_the_docs_page_shows_every_group_logs_in_and_sends(page: Page) -> None:
    """`page` fails for an error on the console, which a refused script, style or image is."""
    email = await sign_up(page)
    await page.goto("/docs")
    await expect(page.get_by_role("heading", name="Milepost")).to_be_visible(timeout=30_000)  # two megabytes of script
    await page.get_by_role("button", name="Authorize").first.click()
    await page.get_by_label("username:").fill(email)
    await page.get_by_label("password:").fill(PASSWORD)
    await page.get_by_role("button", name="Apply given OAuth2 credentials").click()
    await page.locator(".modal-ux button.btn-done").first.click()
    me = page.locator("#operations-auth-me_api_v1_auth_me_get")
    await me.get_by_role("button").first.click()
    await me.get_by_role("button", name="Try it out").click()
    await me.get_by_role("button", name="Execute").click()
    await expect(me.locator(".live-responses-table")).to_contain_text(email)
