"""The report in a real Chromium: it is found through by hand and keyboard, and no answer can do anything."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from evals.experiment import Experiment
from evals.gate import judge_gate
from evals.reporting import write_reports
from evals.rules import Gate, Threshold
from tests.browser.conftest import browser
from tests.evals.experiments import passing
from tests.evals.hostile import hostile

__all__ = ["browser"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """An error, a word on its console or a request beyond the file fails the test at its end."""
    context = await browser.new_context(viewport={"width": 390, "height": 800})
    page, faults = await context.new_page(), list[str]()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda request: None if request.url.startswith("file:") else faults.append(request.url))
    yield page
    await context.close()
    assert faults == []


async def _opened(page: Page, folder: Path, seen: Experiment, before: Experiment | None = None, place: str = "") -> None:
    gate = Gate(thresholds=(Threshold(metric="passed", min=0.9),))
    write_reports(folder, seen, before, judge_gate(gate, seen, before))
    await page.goto(f"{(folder / 'report.html').as_uri()}{place}")


async def test_cases_are_filtered_and_opened_by_keyboard(page: Page, tmp_path: Path) -> None:
    await _opened(page, tmp_path, passing(150, 200), passing(160, 200, "before"))
    await expect(page.locator(".case")).to_have_count(100)
    await page.get_by_role("button", name="Show more").press("Enter")
    await expect(page.locator(".case")).to_have_count(200)
    await page.get_by_label("Verdict").select_option("turned bad")
    await expect(page.get_by_text("10 of 200 cases")).to_be_visible()
    await page.locator(".case > summary").first.press("Enter")
    await expect(page.get_by_text("The baseline's answer is the same.")).to_be_visible()
    await page.get_by_label("Find").fill("case-155")
    await expect(page.get_by_text("1 of 200 cases")).to_be_visible()


async def test_an_address_opens_its_case(page: Page, tmp_path: Path) -> None:
    await _opened(page, tmp_path, passing(15, 20), place="#case=case-1")
    opened = page.locator(".case[open]")
    await expect(opened).to_have_count(1)
    await expect(opened.locator("strong").first).to_have_text("case-1")


async def test_hostile_answers_are_text_and_a_narrow_page_does_not_scroll_sideways(page: Page, tmp_path: Path) -> None:
    await _opened(page, tmp_path, hostile(), hostile("before"))
    for case in await page.locator(".case > summary").all():
        await case.click()
    await expect(page).to_have_title("Red: hostile")
    await expect(page.locator("img")).to_have_count(0)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="Show all 100,0").first.click()
    await expect(page.get_by_text("1,000,000 characters; answers.jsonl has all")).to_have_count(1)
