"""A conversation that is told in more than one way: another answer, another wording, and the way back."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.visitor import address_of_session, expect_status, say, sign_up, unavailable
from tests.stub.answers import Hang, Text
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


def _versions(page: Page) -> Locator:
    return page.get_by_role("group", name="Versions of this turn")


async def _edit(page: Page, said: str, instead: str) -> None:
    turn = page.get_by_role("article").filter(has_text=said)
    await turn.get_by_role("button", name="Edit this message").click()
    await page.get_by_label("Edited message").fill(instead)
    await page.get_by_role("button", name="Send").first.click()


async def test_an_answer_can_be_made_again_and_the_first_one_shown_again(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("One way."), Text("Another way."))
    await sign_up(page)
    await expect_status(await say(page, "Which way?"), "completed")
    await expect(_versions(page)).to_have_count(0)

    await page.get_by_role("button", name="Regenerate").click()
    await expect(page.locator(".prose")).to_have_text(["Another way."])
    await expect(_versions(page)).to_have_text("2/2")
    await expect(page.get_by_role("button", name="Later version")).to_be_disabled()
    await page.get_by_role("button", name="Earlier version").click()

    await expect(page.locator(".prose")).to_have_text(["One way."])
    await expect(_versions(page)).to_have_text("1/2")
    await page.reload()
    await expect(page.locator(".prose")).to_have_text(["One way."])
    await expect(page.get_by_role("button", name="Later version")).to_be_enabled()


async def test_an_edited_message_takes_the_place_of_all_that_followed_it(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("About tents."), Text("They are dry."), Text("About boots."))
    await sign_up(page)
    await expect_status(await say(page, "Tell me of tents"), "completed")
    await expect_status(await say(page, "Are they dry?"), "completed")

    await _edit(page, "Tell me of tents", "Tell me of boots")
    await expect(page.locator(".prose")).to_have_text(["About boots."])
    await expect(page.locator(".asked")).to_have_text(["Tell me of boots"])
    asked = (await provider.requests("Tell me of boots"))[-1]
    assert "dry" not in str(asked.messages)
    await page.get_by_role("button", name="Earlier version").click()

    await expect(page.locator(".asked")).to_have_text(["Tell me of tents", "Are they dry?"])
    await expect(page.locator(".prose")).to_have_text(["About tents.", "They are dry."])
    await expect(_versions(page)).to_have_text(["1/2"])


async def test_only_the_last_answer_can_be_made_again_and_none_while_one_is_made(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("One.", times=2), Hang())
    await sign_up(page)
    await expect_status(await say(page, "First"), "completed")
    await expect_status(await say(page, "Second"), "completed")
    await expect(page.get_by_role("button", name="Regenerate")).to_have_count(1)
    await expect(page.get_by_role("button", name="Edit this message")).to_have_count(2)

    await say(page, "Third")
    await provider.wait_until_asked(containing="Third")

    await expect(page.get_by_role("button", name="Regenerate")).to_have_count(0)
    await expect(page.get_by_role("button", name="Edit this message")).to_have_count(0)


async def test_escape_leaves_a_message_as_it_was(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Yes."))
    await sign_up(page)
    await expect_status(await say(page, "Is it so?"), "completed")

    await page.get_by_role("button", name="Edit this message").click()
    await page.get_by_label("Edited message").fill("Is it not so?")
    await page.keyboard.press("Escape")

    await expect(page.get_by_label("Edited message")).to_have_count(0)
    await expect(page.locator(".asked")).to_have_text("Is it so?")
    await expect(page.get_by_role("button", name="Edit this message")).to_be_focused()
    assert await provider.requests("not so") == []


async def test_an_edit_that_is_not_taken_changes_nothing_and_loses_nothing(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Yes."), Text("No."), Text("Perhaps."))
    await sign_up(page)
    await expect_status(await say(page, "Is it so?"), "completed")
    await expect_status(await say(page, "Is it really so?"), "completed")

    await page.route("**/chat/stream", unavailable)
    await _edit(page, "Is it so?", "Is it not so?")
    await expect(page.get_by_role("alert")).to_contain_text("503")
    await expect(page.locator(".prose")).to_have_text(["Yes.", "No."])
    await expect(page.get_by_label("Edited message")).to_have_value("Is it not so?")
    await page.unroute("**/chat/stream")
    await page.get_by_role("button", name="Send").first.click()

    await expect(page.locator(".prose")).to_have_text(["Perhaps."])


async def test_an_answer_that_is_made_elsewhere_is_shown_instead_of_another(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("One way."), Text("Slow but sure", seconds_between=0.5))
    await sign_up(page)
    await expect_status(await say(page, "Which way?"), "completed")
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.locator(".prose")).to_have_text(["One way."])

    await say(page, "And then?")
    await provider.wait_until_asked(containing="And then?")
    await other.get_by_role("button", name="Regenerate").click()

    await expect(other.locator(".asked")).to_have_text(["Which way?", "And then?"])
    await expect(other.locator(".prose")).to_have_text(["One way.", "Slow but sure"])
    assert address_of_session(other) == address_of_session(page)
    await other.close()
