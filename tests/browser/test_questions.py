"""The agent asks, people answer: approvals and other questions as cards of the page."""

import asyncio
from typing import Any, Final

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.visitor import address_of_session, expect_status, first_frame_only, say, sign_up, signature, unavailable
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

RENAME: Final = ToolCalls([ToolCall("rename_session", {"name": "Oslo"})])
TWICE: Final = ToolCalls([ToolCall("rename_session", {"name": "Oslo"}), ToolCall("rename_session", {"name": "Bergen"})])


def _cards(page: Page) -> Locator:
    return page.get_by_role("group", name="The agent asks")


def _tools(page: Page) -> Locator:
    return page.locator(".tool:visible summary")


async def _asked(page: Page, questions: int = 1) -> Locator:
    answer = await say(page, "Rename it")
    await expect(_cards(page)).to_have_count(questions)
    await expect_status(answer, "interrupted")
    return answer


async def _state(page: Page) -> dict[str, Any]:
    async with httpx.AsyncClient(headers=await signature(page)) as client:
        state: dict[str, Any] = (await client.get(f"{address_of_session(page)}/state")).json()
    return state


async def test_a_call_is_made_when_it_is_approved_and_the_new_name_is_shown(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("It is called Oslo now."))
    await sign_up(page)
    answer = await _asked(page)
    await expect(_cards(page)).to_contain_text("May the agent use rename session?")
    await expect(_cards(page)).to_contain_text("Oslo")
    await expect(_tools(page)).to_contain_text("needs your approval")

    await _cards(page).get_by_role("button", name="Approve").click()

    await expect_status(answer, "completed")
    await expect(answer).to_contain_text("It is called Oslo now.")
    await expect(_cards(page)).to_have_count(0)
    await expect(_tools(page)).to_have_count(1)
    await expect(_tools(page)).to_contain_text("done")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Oslo")


async def test_a_refusal_carries_its_reason_to_the_model(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("Then I leave it."))
    await sign_up(page)
    answer = await _asked(page)

    await _cards(page).get_by_label("Reason, if you decline").fill("I like the name")
    await _cards(page).get_by_role("button", name="Decline").click()

    await expect(answer).to_contain_text("Then I leave it.")
    await expect(_cards(page)).to_have_count(0)
    assert len(await provider.requests("I like the name")) == 1
    await expect(page.get_by_role("heading", level=1)).to_have_text("Rename it")


async def test_a_question_is_still_there_after_a_reload(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("It is called Oslo now."))
    await sign_up(page)
    answer = await _asked(page)
    await page.reload()

    await expect(_tools(page)).to_contain_text("needs your approval")
    await _cards(page).get_by_role("button", name="Approve").click()
    await expect_status(answer, "completed")
    await page.reload()

    await expect(answer).to_contain_text("It is called Oslo now.")
    await expect(page.get_by_role("article")).to_have_count(1)
    await expect(_tools(page)).to_have_count(1)
    await expect(_tools(page)).to_contain_text("done")
    await expect(_cards(page)).to_have_count(0)


async def test_two_answers_go_out_together_when_the_last_is_given(page: Page, provider: ProviderStub) -> None:
    await provider.script(TWICE, Text("Oslo it is."))
    await sign_up(page)
    answer = await _asked(page, 2)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/resume/stream") else None)

    await _cards(page).nth(1).get_by_role("button", name="Approve").click()
    await expect(_cards(page).nth(1)).to_contain_text("Not sent yet")
    await _cards(page).nth(1).get_by_role("button", name="Decline").click()
    assert sent == []
    await _cards(page).nth(0).get_by_role("button", name="Approve").click()

    await expect_status(answer, "completed")
    await expect(_cards(page)).to_have_count(0)
    await expect(_tools(page)).to_have_count(2)
    assert len(sent) == 1
    await expect(_tools(page).filter(has_text="Oslo")).to_contain_text("done")
    await expect(_tools(page).filter(has_text="Bergen")).to_contain_text("failed")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Oslo")


async def test_another_message_withdraws_the_question(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("As you like."))
    await sign_up(page)
    await _asked(page)

    await expect_status(await say(page, "Never mind"), "completed")
    await expect(_cards(page)).to_contain_text("Withdrawn")
    await expect(_cards(page).get_by_role("button")).to_have_count(0)
    await expect(_tools(page)).to_contain_text("not made")
    await page.reload()

    await expect(_tools(page)).to_contain_text("not made")
    await expect(_cards(page)).to_have_count(0)


async def test_a_message_that_is_not_taken_leaves_the_question_open(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("Renamed."))
    await sign_up(page)
    answer = await _asked(page)

    await page.route("**/chat/stream", unavailable)
    await expect_status(await say(page, "Never mind"), "failed")
    await _cards(page).get_by_role("button", name="Approve").click()

    await expect(answer).to_contain_text("Renamed.")


async def test_a_question_that_was_answered_elsewhere_says_so(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("It is called Oslo now."))
    await sign_up(page)
    answer = await _asked(page)
    replies = [{"interrupt_id": one["id"], "value": {"approved": True}} for one in (await _state(page))["interrupts"]]
    async with httpx.AsyncClient(headers=await signature(page)) as client:
        await client.post(f"{address_of_session(page)}/resume", json={"answers": replies})

    await _cards(page).get_by_role("button", name="Decline").click()

    await expect(page.get_by_text("This question was answered elsewhere")).to_be_visible()
    await expect(answer).to_contain_text("It is called Oslo now.")
    await expect(_cards(page)).to_have_count(0)


@pytest.mark.variables(QUESTION_EXPIRY_HOURS="0.0003")
async def test_a_question_that_has_expired_says_so(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME)
    await sign_up(page)
    await _asked(page)
    async with asyncio.timeout(10):
        while (await _state(page))["interrupts"]:  # noqa: ASYNC110  # nobody tells that time has passed
            await asyncio.sleep(0.05)

    await _cards(page).get_by_role("button", name="Approve").click()

    await expect(page.get_by_text("It is too late to answer")).to_be_visible()
    await expect(_cards(page)).to_have_count(0)
    await expect(_tools(page)).to_contain_text("not made")


async def test_an_answer_that_does_not_reach_the_server_can_be_sent_again(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("It is called Oslo now."))
    await sign_up(page)
    answer = await _asked(page)

    await page.route("**/resume/stream", unavailable)
    await _cards(page).get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("alert")).to_contain_text("503")
    await expect_status(answer, "interrupted")
    await page.unroute("**/resume/stream")
    await page.get_by_role("button", name="Retry").click()

    await expect(answer).to_contain_text("It is called Oslo now.")
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_connection_that_is_lost_after_an_answer_is_said_and_mended(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("It is called Oslo now.", seconds_between=0.1))
    await sign_up(page)
    answer = await _asked(page)

    await page.route("**/resume/stream", first_frame_only)
    await _cards(page).get_by_role("button", name="Approve").click()

    await expect(page.get_by_text("Reconnecting…")).to_be_visible()
    await expect_status(answer, "completed")
    await expect(answer.locator(".prose").last).to_have_text("It is called Oslo now.")
    await expect(_tools(page)).to_have_count(1)
    await expect(page.get_by_text("Reconnecting…")).to_be_hidden()


async def test_what_fails_after_an_answer_can_be_tried_again_from_the_message(page: Page, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("It is", ending="error", after=1), Text("No tools this time."))
    await sign_up(page)
    answer = await _asked(page)

    await _cards(page).get_by_role("button", name="Approve").click()
    await expect_status(answer, "failed")
    await answer.get_by_role("button", name="Retry").click()

    await expect(answer.locator(".prose")).to_have_text(["No tools this time."])
    await expect(page.get_by_role("group", name="Versions of this turn")).to_have_text("2/2")


_SHOW_QUESTION: Final = """async (question) => {
    const { QuestionCard } = await import("/static/js/question-card.js");
    document.getElementById("workspace").hidden = true;
    const card = new QuestionCard(question, () => (document.title = JSON.stringify(card.answer)));
    document.getElementById("opening").replaceChildren(card.root);
}"""


async def _asks(page: Page, schema: dict[str, Any], value: object = "Which one?") -> Locator:
    await page.evaluate(_SHOW_QUESTION, {"id": "1", "value": value, "schema": schema})
    return _cards(page)


async def test_a_choice_is_made_with_buttons(page: Page) -> None:
    card = await _asks(page, {"enum": ["red", 7]})
    await expect(card).to_contain_text("Which one?")

    await card.get_by_role("button", name="red").click()
    await expect(page).to_have_title('"red"')
    await card.get_by_role("button", name="7").click()
    await expect(page).to_have_title("7")


async def test_yes_and_no_are_true_and_false(page: Page) -> None:
    card = await _asks(page, {"type": "boolean"})

    await card.get_by_role("button", name="Yes").click()
    await expect(page).to_have_title("true")
    await card.get_by_role("button", name="No").click()
    await expect(page).to_have_title("false")


async def test_words_are_answered_in_a_field(page: Page) -> None:
    card = await _asks(page, {"type": "string"})

    await card.get_by_label("Your answer").fill("<b>Blue</b>")
    await page.keyboard.press("Enter")

    await expect(page).to_have_title('"<b>Blue</b>"')


async def test_anything_else_is_answered_in_json(page: Page) -> None:
    card = await _asks(page, {"type": "object"}, {"question": "Which size?", "shelf": {"row": 3}})
    await expect(card).to_contain_text("Which size?")
    await expect(card).to_contain_text('"row": 3')
    before = await page.title()

    await card.get_by_label("Your answer, as JSON").fill("{size: 4")
    await card.get_by_role("button", name="Answer").click()
    await expect(card).to_contain_text("This is not JSON yet.")
    assert await page.title() == before
    await card.get_by_label("Your answer, as JSON").fill('{"size": 4}')
    await card.get_by_role("button", name="Answer").click()

    await expect(page).to_have_title('{"size":4}')
