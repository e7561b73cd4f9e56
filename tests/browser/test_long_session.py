"""A conversation of which the model reads the latest part only: people see all of it, and where that begins."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.visitor import expect_status, say, sign_up
from tests.stub.answers import Text
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.variables(CONTEXT_MESSAGES="6")
async def test_one_quiet_line_follows_the_last_message_that_is_summarised(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("They counted.", when="<conversation>"))
    await sign_up(page)
    for number in range(1, 5):
        await expect_status(await say(page, f"Question {number}"), "completed")
    await page.reload()

    turns = page.get_by_role("article")
    await expect(turns).to_have_count(4)
    note = page.get_by_text("Earlier messages are summarised for the model").locator("visible=true")
    await expect(note).to_have_count(1)
    await expect(turns.nth(1).get_by_text("Earlier messages are summarised")).to_be_visible()
    await page.get_by_role("button", name="Regenerate").click()
    await expect(page.get_by_role("group", name="Versions of this turn")).to_have_text("2/2")
    await expect(note).to_have_count(1)
