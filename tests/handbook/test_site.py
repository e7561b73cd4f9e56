"""The site of the documents: each is in it, no link leads nowhere, and no page has a browser ask anybody else."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import async_playwright, expect

from app.errors import AppError
from app.settings import ROOT
from handbook.pages import as_page, pages
from handbook.site import build, faults_of, make, stage

REPOSITORY: Final = "https://forge.example.com/milepost/blob/4711"
_FETCHED: Final = re.compile(r"""<(?:script|link|img|source|iframe)\b[^>]*\b(?:src|srcset|href)="?([^" >]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("handbook")
    build(folder / "staged", folder / "site")
    return folder / "site"


def test_each_document_is_a_page(site: Path) -> None:
    for page in pages().values():
        folder = Path(page).parent if page.endswith("README.md") else Path(page).with_suffix("")
        assert (site / folder / "index.html").is_file(), page


def test_no_page_names_what_would_be_fetched_from_elsewhere(site: Path) -> None:
    found = list(site.rglob("*.html"))
    assert len(found) > 60
    for page in found:
        html = page.read_text()
        assert "Content-Security-Policy\" content=\"default-src 'self'" in html, page
        fetched = _FETCHED.findall(html)
        assert fetched, page
        assert [address for address in fetched if re.match(r"(\w+:)?//", address)] == [], page


def test_pictures_are_there(site: Path) -> None:
    for name in ("", "project/readme", "operations"):
        folder = site / name
        shown = re.findall(r"<(?:img|source)\b[^>]*\b(?:src|srcset)=\"?([^\" >]+)", (folder / "index.html").read_text())
        assert shown, name
        assert [one for one in shown if not (folder / one).is_file()] == []


def test_a_link_and_an_anchor_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    stage(tmp_path / "staged")
    with (tmp_path / "staged" / "docs" / "faq.md").open("a") as page:
        page.write("\n[one](no-such-page.md) [two](quickstart.md#no-such-heading)\n")
    with pytest.raises(AppError) as refused:
        make(tmp_path / "staged")
    assert "no-such-page.md" in refused.value.detail
    assert "no-such-heading" in refused.value.detail
    assert "\x1b" not in refused.value.detail


def test_a_page_that_nobody_finds_and_an_entry_without_a_page_are_told() -> None:
    faults = list(faults_of(["there.md", "gone.md", "there.md"], {"there.md", "new.md"}))
    assert [fault.split(" of ")[0] + fault.partition(".toml")[2] for fault in faults] == [
        "new.md is not in the navigation.",
        "gone.md is in the navigation, and is no page.",
        "there.md is in the navigation more than once.",
    ]


def test_what_is_no_page_is_a_link_to_the_repository_or_only_named() -> None:
    assert f"[models.yaml]({REPOSITORY}/models.yaml)" in as_page("docs/models.md", REPOSITORY)
    assert "is said in models.yaml: an entry" in as_page("docs/models.md", "")
    assert f"[prometheus/rules]({REPOSITORY}/prometheus/rules)" in as_page("docs/runbooks/README.md", REPOSITORY)


def test_a_link_that_says_a_files_name_says_the_pages() -> None:
    page = as_page("docs/agents.md", "")
    assert "[Reading a run](streaming.md)" in page
    assert "streaming.md]" in (ROOT / "docs" / "agents.md").read_text()
    assert "[README](project/readme.md#a-first-conversation)" in as_page("docs/quickstart.md", "")
    assert "[Architecture](../architecture.md)" in as_page("CONTRIBUTING.md", "")


def test_code_stays_as_it_is() -> None:
    text = (ROOT / "docs" / "streaming.md").read_text()
    assert re.findall(r"```js\n.*?```", as_page("docs/streaming.md", REPOSITORY), re.DOTALL) == re.findall(
        r"```js\n.*?```", text, re.DOTALL
    )


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.browser
async def test_a_browser_draws_the_pictures_and_asks_nobody_else(address: str) -> None:
    asked: list[str] = []
    refused: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 390, "height": 844})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
        for name in ("", "concepts/", "configuration/", "runbooks/turns-fail/"):
            await page.goto(f"{address}/{name}")
            await page.wait_for_load_state("networkidle")
            assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
        await page.goto(f"{address}/architecture/")
        await expect(page.locator("div.mermaid")).to_have_count(2)
        await expect(page.locator("pre.mermaid")).to_have_count(0)
        await browser.close()
    assert refused == []
    assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()
    assert any("mermaid.tiny.js" in url for url in asked)
