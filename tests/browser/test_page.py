"""The page as people meet it: a real Chromium, a real server, a real database, a scripted provider."""

from collections.abc import Sequence

import pytest
from playwright.async_api import Page, expect

from tests.browser.visitor import PASSWORD, expect_status, fill_in, say, session_names, sign_up
from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

HOSTILE = (
    "<script>window.pwned = 1</script>\n\n"
    "Look: <img src=x onerror='window.pwned = 2'> [click](javascript:window.pwned=3) <svg onload='window.pwned=4'></svg>\n\n"
    "![a picture](https://elsewhere.example/secret.png) [a page](https://elsewhere.example/)\n\n"
    "```html\n<img src=x onerror='window.pwned = 5'>\n```"
)


async def test_a_conversation_is_still_there_after_a_reload(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("The capital is **Oslo**."))
    await sign_up(page)

    answer = await say(page, "What is the capital of Norway?")
    await expect(answer.locator("strong")).to_have_text("Oslo")
    await expect_status(answer, "completed")
    await page.reload()

    await expect(page.get_by_role("article")).to_have_count(1)
    await expect(page.get_by_role("article")).to_contain_text("What is the capital of Norway?")
    await expect(answer.locator("strong")).to_have_text("Oslo")
    await expect(page.get_by_role("heading", level=1)).to_have_text("What is the capital of Norway?")


async def test_words_are_shown_as_they_come_and_escape_stops_them(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("First words, and then silence", ending="hang", after=2))
    await sign_up(page)

    answer = await say(page, "Speak slowly")
    await expect(answer.locator(".prose")).to_have_text("First words,")
    await expect_status(answer, "streaming")
    await page.keyboard.press("Escape")

    await expect_status(answer, "cancelled")
    await provider.wait_until_closed_early(containing="Speak slowly")
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def test_a_tool_call_shows_what_went_in_and_what_came_out(page: Page, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "12*7"})]), Text("That makes 84."))
    await sign_up(page)

    answer = await say(page, "How much is a dozen sevens?")
    await expect(answer.locator(".prose")).to_have_text("That makes 84.")
    await expect(answer.locator("summary")).to_contain_text("calculate 12*7 done", use_inner_text=True)
    await answer.locator("summary").click()

    await expect(answer.locator("pre")).to_have_text(['{\n  "expression": "12*7"\n}', "84"])
    await page.reload()
    await expect(answer.locator("summary")).to_contain_text("calculate")


async def test_a_tool_that_fails_says_so(page: Page, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "1/0"})]), Text("That cannot be done."))
    await sign_up(page)

    answer = await say(page, "Divide by nothing")

    await expect(answer.locator("summary")).to_contain_text("failed")


async def test_html_in_a_message_or_an_answer_is_only_text(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text(HOSTILE))
    await sign_up(page)

    answer = await say(page, HOSTILE)
    await expect_status(answer, "completed")

    for shown in (page.locator(".asked"), answer.locator(".prose")):
        await expect(shown).to_contain_text("<script>window.pwned = 1</script>")
        await expect(shown.locator("script, img, svg:not(.icon), [onerror], [onload]")).to_have_count(0)
    assert await page.evaluate("window.pwned") is None
    assert await _addresses(page) == ["https://elsewhere.example/secret.png", "https://elsewhere.example/"]
    await expect(answer.locator(".prose a").first).to_have_attribute("rel", "noopener noreferrer")


async def _addresses(page: Page) -> Sequence[str]:
    links = await page.locator(".prose a").all()
    return [await link.get_attribute("href") or "" for link in links]


async def test_a_wrong_password_is_named_and_the_right_one_lets_in(page: Page) -> None:
    email = await sign_up(page)
    await page.get_by_role("button", name="Log out").click()

    await fill_in(page, email, "Not-my-password-1")
    await expect(page.get_by_role("alert")).to_have_text("Email or password is wrong.")
    await fill_in(page, email, PASSWORD)

    await expect(page.get_by_text(email)).to_be_visible()


async def test_signing_up_shows_which_rules_a_password_keeps(page: Page) -> None:
    await page.get_by_role("button", name="Sign up").click()
    await page.get_by_label("Password").fill("Milepost")

    await expect(page.locator("#password-rule .met")).to_have_text(["8 to 128 characters", "an upper-case letter"])


async def test_an_email_that_is_taken_is_named(page: Page) -> None:
    email = await sign_up(page)
    await page.get_by_role("button", name="Log out").click()
    await page.get_by_role("button", name="Sign up").click()

    await fill_in(page, email, PASSWORD)

    await expect(page.locator("#email-error")).to_have_text("This email is already registered.")


async def test_an_answer_that_breaks_off_can_be_tried_again(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Half of an ans", ending="error", after=2), Text("All of the answer."))
    await sign_up(page)

    answer = await say(page, "Answer me")
    await expect_status(answer, "failed")
    await expect(answer.get_by_role("alert")).to_contain_text("model_")
    await answer.get_by_role("button", name="Retry").click()

    await expect(page.locator(".answer").last.locator(".prose")).to_have_text("All of the answer.")


async def test_what_trying_again_cannot_mend_has_no_retry(page: Page, provider: ProviderStub) -> None:
    await provider.script(HttpError(401))
    await sign_up(page)

    answer = await say(page, "Answer me")

    await expect(answer.get_by_role("alert")).to_contain_text("model_auth_failed")
    await expect(answer.get_by_role("button", name="Retry")).to_have_count(0)


async def test_a_login_that_is_no_longer_good_leads_to_the_door_and_keeps_the_message(page: Page) -> None:
    email = await sign_up(page)
    await page.context.clear_cookies()

    await page.get_by_role("textbox", name="Message").fill("Do not lose me")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="You have been logged out.")).to_be_visible()
    await fill_in(page, email, PASSWORD)

    await expect(page.get_by_role("textbox", name="Message")).to_have_value("Do not lose me")


async def test_a_session_can_be_renamed_found_and_deleted(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Yes.", times=2))
    await sign_up(page)
    for message in ("About tents", "About boots"):
        await page.get_by_role("button", name="New session").click()
        await expect_status(await say(page, message), "completed")
    await expect(session_names(page)).to_have_text(["About boots", "About tents"])

    tents = page.get_by_role("listitem").filter(has_text="About tents")
    await tents.hover()
    await tents.get_by_role("button", name="Rename").click()
    await page.get_by_label("New name").fill("<b>Shelter</b>")
    await page.keyboard.press("Enter")
    await page.get_by_role("searchbox").fill("shelter")
    await expect(session_names(page)).to_have_text(["<b>Shelter</b>"])
    await page.get_by_role("listitem").hover()
    await page.get_by_role("listitem").get_by_role("button", name="Delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await page.get_by_role("searchbox").fill("")

    await expect(session_names(page)).to_have_text(["About boots"])


async def test_an_answer_goes_on_while_another_session_is_looked_at(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Slow but sure", ending="hang", after=2))
    await sign_up(page)
    await expect((await say(page, "Take your time")).locator(".prose")).to_have_text("Slow but")

    await page.get_by_role("button", name="New session").click()
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await session_names(page).first.click()

    await expect(page.get_by_role("button", name="Stop")).to_be_visible()
    await expect(page.locator(".prose")).to_have_text("Slow but")


async def test_the_limit_of_a_message_is_counted_down_in_characters(page: Page) -> None:
    await sign_up(page)
    message = page.get_by_role("textbox", name="Message")

    await message.fill("🥾" * 31_999)
    await expect(page.get_by_text("1 character left")).to_be_visible()
    await message.fill("🥾" * 32_001)

    await expect(page.get_by_text("1 character too many")).to_be_visible()
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()


async def test_on_a_phone_the_sessions_are_a_drawer(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await sign_up(page)
    side = page.get_by_role("complementary", name="Sessions")
    await expect(side).not_to_be_in_viewport()

    await page.get_by_role("button", name="Open the list of sessions").click()
    await expect(side.get_by_role("button", name="New session")).to_be_in_viewport()
    await page.keyboard.press("Escape")

    await expect(side).not_to_be_in_viewport()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_dark_follows_the_system_until_somebody_chooses(page: Page) -> None:
    await page.emulate_media(color_scheme="dark")
    assert await _brightness(page) < 60

    await page.get_by_role("button", name="Switch between light and dark").click()
    assert await _brightness(page) > 200
    await page.reload()

    assert await _brightness(page) > 200


async def _brightness(page: Page) -> float:
    """The mean of the ground's colours, 0 to 255, as they are painted."""
    colours: list[int] = await page.evaluate(
        """() => {
            const canvas = new OffscreenCanvas(1, 1).getContext("2d");
            canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
        }"""
    )
    return sum(colours) / 3


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 1000])
async def test_frames_are_read_wherever_the_network_cuts_them(page: Page, chunk_bytes: int) -> None:
    wire = ': ping\n\nid: 7\r\nevent: token\r\ndata: {"content":\r\ndata: "På tå 🥾"}\r\n\r\ndata:last\r\rdata: cut off'

    frames = await page.evaluate(
        """async ([wire, size]) => {
            const { readFrames } = await import("/static/js/sse.js");
            const bytes = new TextEncoder().encode(wire);
            const body = new ReadableStream({ start(controller) {
                for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
                controller.close();
            } });
            const frames = [];
            for await (const frame of readFrames(body)) frames.push(frame);
            return frames;
        }""",
        [wire, chunk_bytes],
    )

    assert frames == [
        {"id": "7", "type": "token", "data": '{"content":\n"På tå 🥾"}'},
        {"id": "7", "type": "message", "data": "last"},
    ]
