"""Where the links of mails lead, in a real Chromium."""

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from app.accounts.links import Links
from app.accounts.secrets import development_secret
from app.accounts.signing import SigningKeys
from app.persistence.mailing import Addressee, Letter
from tests.browser.visitor import PASSWORD, fill_in, sign_up
from tests.conftest import Server
from tests.smtp_server import SmtpServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NEW = "Difference-2"


@pytest_asyncio.fixture(loop_scope="module")
async def post() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as server:
        yield server


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], post: SmtpServer) -> dict[str, str]:
    mail = {"SMTP_URL": f"smtp+plain://127.0.0.1:{post.port}", "MAIL_FROM": "Milepost <no-reply@example.com>"}
    return {**mail, "PUBLIC_URL": "http://milepost.test", "WORKER_IN_SERVER": "true", **variables_of_test}


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
    await expect(page.get_by_role("textbox", name="New password")).to_be_hidden()
    await expect(page.get_by_role("link", name="Log in")).to_have_css("color", await _color_of_links(page))
    await page.get_by_role("link", name="Log in").click()
    await expect(page.get_by_label("Email")).to_be_visible()
    await fill_in(page, email, NEW)
    await expect(page.get_by_text(email)).to_be_visible()


async def _color_of_links(page: Page) -> str:
    """What the page has in the place of a browser's blue."""
    probe = "const p = document.createElement('p'); p.style.color = 'var(--link)'; document.body.append(p);"
    return str(await page.evaluate(f"() => {{ {probe} return getComputedStyle(p).color; }}"))


async def test_who_forgot_their_password_asks_for_a_link_in_the_same_words_for_everybody(page: Page, post: SmtpServer) -> None:
    email = await sign_up(page)
    await page.get_by_role("button", name="Log out").click()
    said = page.locator("#signing-notice")
    for asked in ("nobody@example.com", email):
        await page.get_by_role("button", name="Forgot your password?").click()
        await expect(page.get_by_role("textbox", name="Password")).to_have_count(0)
        await page.get_by_label("Email").fill(asked)
        await page.get_by_role("button", name="Mail me a link").click()
        await expect(said).to_have_text("If there is such an account, a mail is on its way. It may take a minute.")
        await page.get_by_role("button", name="Log in").click()
    assert [mail["To"] for mail in await post.take(2)] == [email, email]  # when signing up, and now


async def test_who_comes_without_a_good_link_is_offered_another(page: Page, post: SmtpServer) -> None:
    await page.goto("/verify-email")
    await expect(page.get_by_role("alert")).to_have_text("This link is not whole. Ask for another one.")
    await expect(page.get_by_role("button", name="Yes, it is mine")).to_have_count(0)
    await page.goto("/reset-password#token=forged")
    await page.get_by_role("textbox", name="New password").fill(NEW)
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_role("alert")).to_have_text("This link is not good, or not any more. Ask for another one.")
    await page.get_by_label("Email").fill("nobody@example.com")
    await page.get_by_role("button", name="Mail me a link").click()
    await expect(page.get_by_role("status")).to_contain_text("If there is such an account")
    assert post.mails == []


@pytest.mark.variables(SMTP_URL="")
async def test_a_server_that_sends_no_mail_says_so(page: Page) -> None:
    await page.get_by_role("button", name="Forgot your password?").click()
    await expect(page.get_by_role("alert")).to_have_text("This server sends no mail. Ask whoever runs it.")
    await page.goto("/reset-password")
    await expect(page.get_by_role("alert")).to_have_text("This link is not whole. This server sends no mail. Ask whoever runs it.")


async def test_an_email_is_verified_by_a_press_of_a_button(page: Page, server: Server) -> None:
    email = await sign_up(page)
    await page.goto(_link(server, Letter.VERIFICATION, email))
    await page.get_by_role("button", name="Yes, it is mine").click()
    await expect(page.get_by_role("status")).to_contain_text("Your email is verified")
    with psycopg.connect(server.settings.database.url) as connection:
        assert connection.execute('SELECT email_verified_at IS NOT NULL FROM "user" WHERE email = %s', [email]).fetchone() == (True,)
