"""An answer that is under way: the page may go and come back, the connection too, and a stop is a stop."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.visitor import expect_status, first_frame_only, say, session_names, sign_up, unavailable
from tests.stub.answers import Hang, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_reload_in_mid_answer_goes_on_where_it_was(page: Page, provider: ProviderStub) -> None:
    words = "One word after another, and none of them is lost."
    await provider.script(Text(words, seconds_between=0.3))
    await sign_up(page)

    answer = await say(page, "Count on me")
    await expect(answer.locator(".prose")).to_contain_text("One word")
    await page.reload()

    await expect_status(answer, "completed")
    await expect(answer.locator(".prose")).to_have_text(words)
    await expect(page.get_by_role("article")).to_have_count(1)
    assert len(await provider.requests("Count on me")) == 1


async def test_stopping_keeps_what_was_said_and_a_reload_shows_it(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Some of this and never the rest", seconds_between=0.4))
    await sign_up(page)

    answer = await say(page, "Go on and on")
    await expect(answer.locator(".prose")).to_contain_text("Some of")
    await page.get_by_role("button", name="Stop").click()
    await expect_status(answer, "cancelled")
    said = await answer.locator(".prose").inner_text()
    await page.reload()

    await expect(answer.locator(".prose")).to_have_text(said)
    await expect(answer).to_contain_text("Stopped before it was finished.")


@pytest.mark.variables(LLM_MAX_RETRIES="1")
async def test_an_answer_that_breaks_off_at_the_provider_is_shown_once_and_whole(page: Page, provider: ProviderStub) -> None:
    await provider.script(
        ToolCalls([ToolCall("calculate", {"expression": "12*7"})], content="Let me see.", seconds_between=0.1),
        Text("I would say that it may be", reasoning="Easy.", seconds_between=0.4, ending="reset", after=8),
        Text("It is 84.", reasoning="Of course.", seconds_between=0.3),
    )
    await sign_up(page)

    answer = await say(page, "What is 12*7?")
    await expect(answer.locator(".prose")).to_contain_text("I would say")
    await expect_status(answer, "completed")
    for _ in range(2):
        await expect(answer.locator(".prose p")).to_have_text(["Let me see.", "It is 84."])
        await expect(answer.locator(".tool")).to_have_count(1)
        await expect(answer.locator(".thoughts")).to_have_text(["Of course."])
        await expect(answer.locator(".note")).to_have_count(0)
        await page.reload()


async def test_a_second_page_shows_the_answer_the_first_one_asked_for(page: Page, provider: ProviderStub) -> None:
    words = "Both of us read this at the same time."
    await provider.script(Text(words, seconds_between=0.3))
    await sign_up(page)

    answer = await say(page, "Tell us both")
    await expect(answer.locator(".prose")).to_contain_text("Both")
    other = await page.context.new_page()
    await other.goto(page.url)

    await expect(other.locator(".answer .prose")).to_have_text(words)
    await expect(answer.locator(".prose")).to_have_text(words)
    await other.close()


async def test_a_lost_connection_is_said_and_mended(page: Page, provider: ProviderStub) -> None:
    words = "The train goes through a tunnel and comes out on the other side."
    await provider.script(Text(words, seconds_between=0.2))
    await sign_up(page)
    cut = {"left": 2}

    async def tunnel(route: Route) -> None:
        cut["left"] -= 1
        await (route.fulfill(status=503, body="") if cut["left"] > 0 else route.continue_())

    # The first stream ends early, as a proxy that restarts would end it; the next attempts meet a server that is not there.
    await page.route("**/chat/stream", first_frame_only)
    await page.route("**/runs/*/stream", tunnel)
    answer = await say(page, "Where are we?")

    await expect(page.get_by_text("Reconnecting…")).to_be_visible()
    await expect_status(answer, "completed")
    await expect(answer.locator(".prose")).to_have_text(words)
    await expect(page.get_by_text("Reconnecting…")).to_be_hidden()


async def test_an_answer_that_ends_while_the_page_opens_is_shown_once(page: Page, provider: ProviderStub) -> None:
    words = "I was done before you had looked."
    await provider.script(Text(words, seconds_between=0.2))
    await sign_up(page)
    answer = await say(page, "Be quick")
    await expect(answer.locator(".prose")).to_contain_text("I was")

    await page.route("**/state", _state_before_the_end)
    await page.reload()

    await expect_status(answer, "completed")
    await expect(page.locator(".prose")).to_have_text([words])
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def test_a_question_that_comes_while_the_page_opens_is_not_missed(page: Page, provider: ProviderStub) -> None:
    await provider.script(
        ToolCalls([ToolCall("rename_session", {"name": "Oslo"})], content="Let me see whether that can be done", seconds_between=0.2)
    )
    await sign_up(page)
    await expect((await say(page, "Rename it")).locator(".prose")).to_contain_text("Let")

    await page.route("**/state", _state_before_the_end)
    await page.reload()

    await expect(page.get_by_role("group", name="The agent asks")).to_have_count(1)
    await expect(page.get_by_role("article")).to_have_count(1)


async def _state_before_the_end(route: Route) -> None:
    """Answer with the state as it is, but only when the run that it calls live has ended."""
    answer = await route.fetch()
    if run_id := (await answer.json())["live_run_id"]:
        root = route.request.url.partition("/sessions/")[0]
        headers = {"Cookie": (await route.request.all_headers())["cookie"]}
        async with httpx.AsyncClient(timeout=30) as client:
            await client.get(f"{root}/runs/{run_id}/stream", headers=headers)
    await route.fulfill(response=answer)


def _held() -> tuple[Callable[[Route], Awaitable[None]], asyncio.Event]:
    """A route whose requests wait until the event is set."""
    let_go = asyncio.Event()

    async def hold(route: Route) -> None:
        await let_go.wait()
        await route.continue_()

    return hold, let_go


async def test_stopping_is_said_until_the_end(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Some of this and never the rest", ending="hang", after=2))
    await sign_up(page)
    answer = await say(page, "Go on and on")
    await expect(answer.locator(".prose")).to_have_text("Some of")

    hold, let_go = _held()
    await page.route("**/cancel", hold)
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("Stopping…")).to_be_visible()
    await expect_status(answer, "streaming")
    let_go.set()

    await expect_status(answer, "cancelled")
    await expect(page.get_by_text("Stopping…")).to_be_hidden()


async def test_stop_works_before_the_first_word(page: Page, provider: ProviderStub) -> None:
    await provider.script(Hang())
    await sign_up(page)
    answer = await say(page, "Think for ever")
    await provider.wait_until_asked(containing="Think for ever")

    await page.get_by_role("button", name="Stop").click()

    await expect_status(answer, "cancelled")
    await provider.wait_until_closed_early(containing="Think for ever")


async def test_stop_works_before_the_server_has_the_message(page: Page, provider: ProviderStub) -> None:
    await provider.script(Hang())
    await sign_up(page)
    hold, let_go = _held()
    await page.route("**/chat/stream", hold)
    answer = await say(page, "Never mind")

    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("Stopping…")).to_be_visible()
    await expect_status(answer, "waiting")
    let_go.set()

    await expect_status(answer, "cancelled")


async def test_a_stop_that_fails_is_said_and_can_be_tried_again(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Nothing stops me", ending="hang", after=2))
    await sign_up(page)
    answer = await say(page, "Run")
    await expect(answer.locator(".prose")).to_have_text("Nothing stops")

    await page.route("**/cancel", unavailable)
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("could not be stopped")).to_be_visible()
    await expect(page.get_by_text("Stopping…")).to_be_hidden()
    await expect_status(answer, "streaming")
    await page.unroute("**/cancel")
    await page.get_by_role("button", name="Stop").click()

    await expect_status(answer, "cancelled")
    await expect(page.get_by_text("could not be stopped")).to_be_hidden()


async def test_an_answer_that_fails_after_a_reload_can_be_tried_again(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Half of an answer that ends badly", ending="error", seconds_between=0.3), Text("All of it."))
    await sign_up(page)
    answer = await say(page, "Answer me")
    await expect(answer.locator(".prose")).to_contain_text("Half")
    await page.reload()

    await expect_status(answer, "failed")
    await answer.get_by_role("button", name="Retry").click()

    await expect(answer.locator(".prose")).to_have_text("All of it.")
    await expect(page.get_by_role("article")).to_have_count(1)


@pytest.mark.variables(WORKER_IN_SERVER="true")
async def test_the_name_a_model_gives_is_shown_without_a_reload(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Oslo."), Text("Capitals of the North", when="<user>", seconds_between=0.3))
    await sign_up(page)

    await expect_status(await say(page, "What is the capital of Norway?"), "completed")

    await expect(session_names(page)).to_have_text(["What is the capital of Norway?"])
    await expect(session_names(page)).to_have_text(["Capitals of the North"], timeout=15_000)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Capitals of the North")
