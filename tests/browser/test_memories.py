"""The drawer of memories, the switches in it, and temporary sessions, as people meet them."""

import json

import httpx
import pytest
from playwright.async_api import FilePayload, Locator, Page, Route, expect

from tests.browser.visitor import address_of_session, expect_status, say, session_names, sign_up, signature, unavailable
from tests.remembered import remember
from tests.stub.answers import Text
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

HOSTILE = "Is called <img src=x onerror='window.pwned = 1'>"


def _texts(page: Page) -> Locator:
    return page.locator(".memory-text")


async def _open(page: Page) -> Locator:
    await page.get_by_role("button", name="Memories", exact=True).click()
    return page.get_by_role("dialog", name="Memories")


async def test_memories_are_seen_searched_and_deleted_one_by_one_or_all_at_once(page: Page, database_url: str) -> None:
    email = await sign_up(page)
    await expect((await _open(page)).get_by_text("Nothing is remembered of you.")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Memories", exact=True)).to_be_focused()
    now = remember(database_url, "Lives in Bergen", email=email, age_minutes=2)
    remember(database_url, "Lives in Oslo", email=email, replaced_by=now, age_minutes=9)
    for minutes, text in enumerate(("Eats no meat", HOSTILE), start=5):
        remember(database_url, text, email=email, age_minutes=minutes)

    await page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="Memories")
    await expect(_texts(page)).to_have_text(["Lives in Bergen", "Eats no meat", HOSTILE])
    await drawer.get_by_label("Show what is no longer true").check()
    await expect(drawer.get_by_role("listitem").filter(has_text="then replaced").locator(".memory-text")).to_have_text("Lives in Oslo")
    await drawer.get_by_role("searchbox").fill("MEAT")
    await expect(_texts(page)).to_have_text(["Eats no meat"])
    await drawer.get_by_role("searchbox").fill("")
    await drawer.get_by_role("button", name="Delete “Lives in Oslo”").press("Enter")
    await page.get_by_role("dialog", name="Delete this memory?").get_by_role("button", name="Delete").press("Enter")

    await expect(_texts(page)).to_have_text(["Eats no meat", HOSTILE])
    await expect(drawer.get_by_role("status")).to_have_text("Deleted.")
    await expect(drawer.get_by_role("button", name=f"Delete “{HOSTILE}”")).to_be_focused()
    await drawer.get_by_role("button", name="Delete all memories").click()
    await page.get_by_role("dialog", name="Delete all memories?").get_by_role("button", name="Keep it").click()
    await expect(_texts(page)).to_have_count(2)
    await drawer.get_by_role("button", name="Delete all memories").click()
    await page.get_by_role("dialog", name="Delete all memories?").get_by_role("button", name="Delete all").click()

    await expect(drawer.get_by_text("Nothing is remembered of you.")).to_be_visible()
    await page.reload()
    await expect((await _open(page)).get_by_text("Nothing is remembered of you.")).to_be_visible()
    assert await page.evaluate("window.pwned") is None


async def test_a_long_list_is_paged_and_a_page_that_fails_can_be_tried_again(page: Page, database_url: str) -> None:
    email = await sign_up(page)
    for number in range(31):
        remember(database_url, f"number {number}", email=email, age_minutes=100 - number)
    await page.route("**/api/v1/memories?*", unavailable, times=1)

    drawer = await _open(page)
    await drawer.get_by_role("alert").get_by_role("button", name="Retry").click()
    await expect(_texts(page)).to_have_count(30)
    await drawer.get_by_role("button", name="Load more").click()

    await expect(_texts(page)).to_have_text([f"number {number}" for number in range(30, -1, -1)])
    await expect(drawer.get_by_role("button", name="Load more")).to_be_hidden()


async def test_memory_is_switched_off_in_a_session_and_for_the_user(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Yes."))
    await sign_up(page)
    drawer = await _open(page)
    everywhere, here = (
        drawer.get_by_role("switch", name="Remember things about me"),
        drawer.get_by_role("switch", name="In the open session"),
    )
    await expect(here).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect_status(await say(page, "Hello"), "completed")

    await _open(page)
    await page.route("**/api/v1/auth/me", unavailable, times=1)
    await everywhere.click()
    await expect(drawer.get_by_role("alert")).to_be_visible()
    await expect(everywhere).to_be_checked()
    await here.press("Space")
    await everywhere.press("Space")
    await expect(here).to_be_disabled()
    await page.reload()

    await _open(page)
    await expect(everywhere).not_to_be_checked()
    await expect(here).not_to_be_checked()


async def test_what_an_answer_used_is_told_as_text_and_leads_to_all_memories(page: Page, database_url: str) -> None:
    email = await sign_up(page)
    remember(database_url, HOSTILE, email=email)
    events = {"memory": {"memories": [HOSTILE]}, "token": {"content": "Hello."}, "end": {"status": "completed", "message_id": None}}
    frames = [f"id: {number}\nevent: {kind}\ndata: {json.dumps(event)}\n\n" for number, (kind, event) in enumerate(events.items(), start=1)]

    async def answered(route: Route) -> None:
        headers = {"content-type": "text/event-stream", "x-run-id": "01a1fc7e-1f8d-726a-83c9-5cf7cf4d22a0"}
        await route.fulfill(status=200, headers=headers, body="".join(frames))

    await page.route("**/chat/stream", answered)
    answer = await say(page, "Who am I?")
    await answer.get_by_text("Used one memory of you").click()
    await expect(answer.get_by_role("listitem").first).to_have_text(HOSTILE)
    await answer.get_by_role("button", name="All memories").click()

    await expect(_texts(page)).to_have_text([HOSTILE])
    await expect(page.locator(".answer img, .memory img")).to_have_count(0)


async def test_a_temporary_session_says_what_it_is_and_leaves_nothing(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Yes."))
    await sign_up(page)
    await page.get_by_role("button", name="New temporary session").click()
    await expect(page.get_by_text("This session is temporary.")).to_be_visible()
    await page.reload()

    await expect_status(await say(page, "A secret"), "completed")
    await expect(page.get_by_text("Temporary: deleted")).to_be_visible()
    await expect(page.get_by_role("navigation").get_by_role("link", name="Temporary: A secret")).to_be_visible()
    await expect((await _open(page)).get_by_role("switch")).to_have_count(1)
    await page.keyboard.press("Escape")
    address, token = address_of_session(page), await signature(page)
    await page.get_by_label("Files", exact=True).set_input_files(FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"Secret"))
    await expect(page.get_by_role("list", name="Files to send").get_by_role("listitem")).to_have_count(1)
    await page.get_by_role("button", name="End it").click()
    await page.get_by_role("dialog").get_by_role("button", name="End it").click()

    await expect(session_names(page)).to_have_count(0)
    await expect(page.get_by_role("heading", level=1)).to_have_text("New session")
    await expect(page.get_by_text("This session is temporary.")).to_be_hidden()
    await expect(page.locator("#tray li")).to_have_count(0)
    async with httpx.AsyncClient() as client:
        assert (await client.get(address, headers=token)).json()["code"] == "session_not_found"


async def test_on_a_phone_the_memories_lie_over_the_list_of_sessions(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await sign_up(page)
    await page.get_by_role("button", name="Open the list of sessions").click()

    drawer = await _open(page)
    await expect(drawer).to_have_js_property("offsetWidth", 390)
    await expect(drawer.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await page.keyboard.press("Escape")

    await expect(drawer).to_be_hidden()
    await expect(page.get_by_role("complementary", name="Sessions")).to_be_in_viewport()
