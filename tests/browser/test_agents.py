"""Choosing an agent at the page, and watching one that is several at work."""

import json

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.visitor import expect_status, say, sign_up, signature
from tests.stub.answers import Text
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

HOSTILE = "<img src=x onerror='window.pwned = 1'>"
PLAN = {"agent": "researcher", "node": "plan", "namespace": "plan:1"}
ONE = {"agent": "researcher", "node": "work", "namespace": "work:1"}
TWO = {"agent": "researcher", "node": "work", "namespace": "work:2"}
CRITIC = {"agent": "researcher", "node": "critic", "namespace": "critic"}


def _frames(*events: tuple[str, dict[str, object]]) -> str:
    return "".join(f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n" for number, (kind, data) in enumerate(events, start=1))


async def test_a_session_is_opened_with_the_chosen_agent_and_says_so(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("I look.", times=9))
    await sign_up(page)
    await expect(page.get_by_role("radio", name="assistant")).to_be_checked()
    await page.get_by_role("radio", name="researcher").check()
    async with page.expect_request(lambda request: request.url.endswith("/api/v1/sessions") and request.method == "POST") as opened:
        await say(page, "How high is it?")
    sent = (await opened.value).post_data_json
    assert sent
    assert sent["agent"] == "researcher"
    await expect(page.locator("#agent-badge")).to_have_text("researcher")
    await page.reload()
    await expect(page.locator("#agent-badge")).to_have_text("researcher")
    await page.get_by_role("button", name="New session", exact=True).click()
    await expect(page.locator("#agent-badge")).to_be_hidden()
    await expect(page.get_by_role("radio", name="assistant")).to_be_checked()


async def test_what_is_offered_to_ask_is_the_chosen_agents(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Eighty-four.", times=9))
    await sign_up(page)
    signs = page.locator("#signs").get_by_role("button")
    await expect(signs).to_have_text(["What time is it in Oslo?", "What is 12*7?"])
    await page.get_by_role("radio", name="researcher").check()
    await expect(signs.first).to_contain_text("Postgres")
    await expect(page.get_by_role("button", name="What is 12*7?")).to_have_count(0)
    await page.get_by_role("radio", name="assistant").check()
    await signs.nth(1).click()
    await expect(page.get_by_role("article")).to_contain_text("What is 12*7?")
    await expect_status(page.locator(".answer"), "completed")
    await page.get_by_role("button", name="New session", exact=True).click()
    await expect(signs).to_have_text(["What time is it in Oslo?", "What is 12*7?"])


async def test_an_empty_session_offers_what_its_agent_can_be_asked_and_no_other_agent(page: Page) -> None:
    await sign_up(page)
    server = page.url.partition("/#")[0].rstrip("/")
    async with httpx.AsyncClient(headers=await signature(page)) as client:
        session = (await client.post(f"{server}/api/v1/sessions", json={"agent": "researcher"})).json()
    await page.goto(f"{server}/#/session/{session['id']}")
    await expect(page.locator("#agent-badge")).to_have_text("researcher")
    await expect(page.locator("#signs").get_by_role("button").first).to_contain_text("Postgres")
    await expect(page.get_by_role("radio")).to_have_count(0)


async def test_the_steps_of_an_agent_are_shown_as_they_come(page: Page) -> None:
    reason = f"The web search found nothing. {HOSTILE}"
    found = {
        "question": "How high?",
        "sources": [{"title": HOSTILE, "url": "https://example.com/a"}, {"title": "Bad", "url": "javascript:1"}],
    }
    frames = _frames(
        ("start", {"run_id": "1", "session_id": "2"}),
        ("step", {"status": "begun", "title": "Planning", "content": {}, **PLAN}),
        ("step", {"status": "done", "title": "Two questions", "content": {"questions": ["How high?", "How old?"]}, **PLAN}),
        ("step", {"status": "begun", "title": "How high?", "content": {}, **ONE}),
        ("step", {"status": "begun", "title": "How old?", "content": {}, **TWO}),
        ("tool_call", {"id": "c", "name": "web_search", "args": {"query": "high"}, **ONE, "namespace": "work:1|search:1"}),
        ("step", {"status": "done", "title": "How high?", "content": found, **ONE}),
        ("step", {"status": "failed", "title": "How old?", "content": {"sources": [], "reason": reason}, **TWO}),
        ("step", {"status": "done", "title": "Reviewing", "content": {"good": False}, **CRITIC}),
        ("token", {"content": "Quite high [1].", "done": False}),
        ("end", {"status": "completed", "message_id": "3", "content": "", "done": True}),
    )

    async def streamed(route: Route) -> None:
        await route.fulfill(status=200, headers={"content-type": "text/event-stream", "x-run-id": "1"}, body=frames)

    await sign_up(page)
    await page.route("**/chat/stream", streamed)
    answer = await say(page, "How high and how old?")
    await expect_status(answer, "completed")
    steps = answer.locator(".step")
    await expect(steps.locator(".step-state")).to_have_text(["done", "done", "failed", "done"])
    await expect(steps.nth(0).get_by_role("listitem")).to_have_text(["How high?", "How old?"])
    await expect(steps.nth(1).get_by_role("link")).to_have_attribute("href", "https://example.com/a")
    await expect(steps.nth(1).get_by_role("link")).to_have_text(HOSTILE)
    await expect(steps.nth(1).locator(".tool")).to_have_count(1)
    await expect(steps.nth(1).get_by_role("link")).to_have_count(1)
    await expect(steps.nth(2).get_by_text(reason)).to_be_visible()
    await expect(steps.nth(3).get_by_text("sent back")).to_be_visible()
    assert await page.evaluate("window.pwned") is None


async def test_the_steps_of_an_answer_are_found_again_folded_and_tell_why_one_failed(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("I look.", times=9))
    await sign_up(page)
    await page.get_by_role("radio", name="researcher").check()
    answer = await say(page, "How high is it?")
    await expect_status(answer, "completed")
    titles = await answer.locator(".step-title").all_text_contents()
    states = await answer.locator(".step-state").all_text_contents()
    assert (titles, states) == (["Planning", "How high is it?", "Writing"], ["done", "failed", "done"])
    await expect(answer.get_by_text("Planning")).to_be_visible()
    await page.reload()
    await expect(answer.get_by_text("3 steps")).to_be_visible()
    await expect(answer.get_by_text("Planning")).to_be_hidden()
    await answer.get_by_text("3 steps").click()
    await expect(answer.locator(".step-title")).to_have_text(titles)
    await expect(answer.locator(".step-state")).to_have_text(states)
    await expect(answer.locator(".step-reason")).to_contain_text("The web search found nothing")
