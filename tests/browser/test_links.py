"""Where the links of mails lead, in a real Chromium."""

import psycopg
import pytest
from playwright.async_api import Page, expect

from app.accounts.links import Links
from app.accounts.secrets import development_secret
from app.accounts.signing import SigningKeys
from app.persistence.mailing import Addressee, Letter
from tests.browser.visitor import PASSWORD, fill_in, sign_up
from tests.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NEW = "Difference-2"


def _link(server: Server, letter: Letter, email: str) -> str:
    """What the mail to them would say."""
    with psycopg.connect(server.settings.database.url) as connection:
        found = connection.execute('SELECT id, email, password_hash FROM "user" WHERE email = %s', [email]).fetchone()
    assert found
    keys = SigningKeys(development_secret(server.settings.database.data_dir))
    return Links(keys, server.url).make(letter, Addressee(user_id=found[0], email=found[1], password_hash=found[2]))


async def test_a_forgotten_password_is_set_anew_and_the_link_is_good_once(page: Page, server: Server) -> None:
    email = await sign_up(page)
    link = _link(server, Letter.RESET, email)
    await page.goto(link)
    await expect(page.get_by_role("heading", name="A new password")).to_be_visible()
    assert "token" not in page.url
    await page.get_by_role("textbox", name="New password").fill("weak")
    await page.get_by_role("button", name="Set password").click()
    await expect(page.locator("#password-error")).to_have_text("The password does not keep the rule below yet.")
    await page.get_by_role("textbox", name="New password").fill(NEW)
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_role("status")).to_contain_text("Your password is changed")
    await page.goto(link)
    await page.get_by_role("textbox", name="New password").fill(PASSWORD)
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_role("alert")).to_contain_text("This link is not good")
    await page.get_by_role("link", name="Log in").click()
    await expect(page.get_by_label("Email")).to_be_visible()
    await fill_in(page, email, NEW)
    await expect(page.get_by_text(email)).to_be_visible()


async def test_an_email_is_verified_by_a_press_of_a_button(page: Page, server: Server) -> None:
    email = await sign_up(page)
    await page.goto(_link(server, Letter.VERIFICATION, email))
    await page.get_by_role("button", name="Yes, it is mine").click()
    await expect(page.get_by_role("status")).to_contain_text("Your email is verified")
    with psycopg.connect(server.settings.database.url) as connection:
        assert connection.execute('SELECT email_verified_at IS NOT NULL FROM "user" WHERE email = %s', [email]).fetchone() == (True,)
