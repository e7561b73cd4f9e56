"""Who has to wait at the page is told how long, and by which clock."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Served
from tests.browser.visitor import PASSWORD, fill_in, say, sign_up
from tests.stub.answers import Text
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PLACE = "Asia/Tokyo"


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], tmp_path: Path) -> dict[str, str]:
    tier = {"name": "free", "requests_per_second": 1_000, "burst": 10_000, "cost_per_day_usd": 0.0000001}
    (tmp_path / "tiers.yaml").write_text(json.dumps({"tiers": [tier]}))  # JSON is YAML
    own = {"TIERS_FILE": str(tmp_path / "tiers.yaml"), "DEFAULT_LLM_MODEL": "gpt-5", "LOCKOUT_FAILURES": "1"}
    return {**variables_of_test, **own}


@pytest_asyncio.fixture(loop_scope="module")
async def abroad(browser: Browser, server: Served) -> Page:
    """The page in a browser whose clock is not UTC's."""
    context = await browser.new_context(base_url=server.url, timezone_id=PLACE)
    page = await context.new_page()
    await page.goto("/")
    return page


async def test_who_is_locked_out_sees_how_long_and_can_go_on_then(page: Page) -> None:
    await fill_in(page, "nobody@example.com", PASSWORD)
    await expect(page.get_by_role("alert")).to_have_text("Email or password is wrong.")
    await page.get_by_label("Password").press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("There were too many wrong passwords.")
    await expect(page.get_by_role("timer")).to_contain_text("You can try again in ")
    await expect(page.get_by_role("button", name="Log in")).to_be_disabled()
    await expect(page.get_by_role("button", name="Forgot your password?")).to_be_visible()
    await expect(page.locator("#signing-notice")).to_have_text("You can try again now.", timeout=20_000)
    await expect(page.get_by_role("button", name="Log in")).to_be_enabled()


async def test_too_many_requests_are_tried_again_by_themselves_in_words(page: Page) -> None:
    problem = {"code": "rate_limited", "detail": "An address may make 20 requests of this kind in 60 seconds.", "retry_after": 2}
    await page.route("**/auth/page/login", lambda route: route.fulfill(status=429, body=json.dumps(problem)), times=1)
    await fill_in(page, "nobody@example.com", PASSWORD)
    await expect(page.get_by_role("timer")).to_contain_text("Too many requests: trying again in ")
    await expect(page.get_by_role("alert")).to_have_text("Email or password is wrong.")
    await expect(page.get_by_role("timer")).to_be_hidden()


async def test_a_used_up_quota_says_when_it_is_back_and_offers_no_retry(abroad: Page, provider: ProviderStub) -> None:
    await provider.script(Text("Good morning.", times=9))
    await sign_up(abroad)
    await expect(await say(abroad, "Hello")).to_contain_text("Good morning.")
    refused = (await say(abroad, "And now?")).get_by_role("alert")
    back = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0).astimezone(ZoneInfo(PLACE))
    await expect(refused).to_contain_text(
        "The quota of the tier free for a day, $1e-07, is used up, or set aside for what is being answered."
    )
    await expect(refused.locator(".error-until")).to_contain_text(f" at {back:%H:%M}.")
    await expect(refused.get_by_role("button", name="Retry")).to_have_count(0)
