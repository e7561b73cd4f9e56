"""What somebody does at the page, in their words."""

from uuid import uuid4

from playwright.async_api import Locator, Page, expect

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
