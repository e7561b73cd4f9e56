"""What somebody does at the page, in their words."""

from uuid import uuid4

import httpx
from playwright.async_api import Locator, Page, Route, expect

PASSWORD = "Milepost-1"


async def sign_up(page: Page) -> str:
    """Sign up as somebody new; return their email."""
    email = f"ada-{uuid4().hex}@example.com"
    await page.get_by_role("button", name="Sign up").click()
    await fill_in(page, email, PASSWORD)
    await expect(page.get_by_role("heading", name="Where to?")).to_be_visible()
    return email


async def fill_in(page: Page, email: str, password: str) -> None:
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_label("Password").press("Enter")


async def say(page: Page, message: str) -> Locator:
    """Send a message; return its answer, which may still be growing."""
    turns = page.get_by_role("article")
    count = await turns.count()
    await page.get_by_role("textbox", name="Message").fill(message)
    await page.get_by_role("button", name="Send").click()
    return turns.nth(count).locator(".answer")


async def expect_status(answer: Locator, status: str) -> None:
    await expect(answer).to_have_attribute("data-status", status)


def session_names(page: Page) -> Locator:
    return page.get_by_role("navigation").locator(".session-name")


async def signature(page: Page) -> dict[str, str]:
    """The headers that prove to the API that somebody is who logged in at the page, as the page's own requests have them."""
    cookies = await page.context.cookies()
    kept = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in cookies)
    origin, _, _ = page.url.partition("/#")
    return {"Cookie": kept, "X-Milepost-CSRF": "1", "Origin": origin.rstrip("/")}


def address_of_session(page: Page) -> str:
    """Where the API has the session that the page shows."""
    server, _, session_id = page.url.partition("/#/session/")
    return f"{server}/api/v1/sessions/{session_id}"


async def first_frame_only(route: Route) -> None:
    """Start the run as the page asks, and hand it the `start` event alone, as a proxy that restarts would."""
    request = route.request
    headers = {**await request.all_headers(), "content-type": "application/json"}
    async with httpx.AsyncClient() as client, client.stream("POST", request.url, headers=headers, content=request.post_data) as answer:
        run_id = answer.headers["x-run-id"]
        frame = b""
        async for chunk in answer.aiter_bytes():
            frame += chunk
            if b"\n\n" in frame:
                break
    first = frame.partition(b"\n\n")[0] + b"\n\n"
    await route.fulfill(status=200, headers={"content-type": "text/event-stream", "x-run-id": run_id}, body=first)


async def unavailable(route: Route) -> None:
    await route.fulfill(status=503, body="")
