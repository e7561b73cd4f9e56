"""Images and text files sent from the page: chosen, pasted or dropped."""

import asyncio
import json
from base64 import b64encode
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Locator, Page, expect

from tests.browser.visitor import expect_status, say, sign_up
from tests.pictures import png
from tests.stub.answers import Text
from tests.stub.client import ProviderStub

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PHOTO = FilePayload(name="stamp.png", mimeType="image/png", buffer=png(64, 48))
NOTES = FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"Leave at noon.")
FAKE = FilePayload(name="page.png", mimeType="image/png", buffer=b"<script>window.pwned = 1</script>")

_GIVE = """([kind, place, name, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], name, { type: "image/png" }));
    const event = kind === "paste"
        ? new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true })
        : new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true });
    document.querySelector(place).dispatchEvent(event);
}"""


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], provider: ProviderStub, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "seeing.yaml").write_text(json.dumps({"models": [{"name": "seeing", "base_url": provider.url, "images": True}]}))
    return {**variables_of_test, "MODELS_FILE": str(tmp_path / "seeing.yaml"), "DEFAULT_LLM_MODEL": "seeing"}


def _tray(page: Page) -> Locator:
    return page.get_by_role("list", name="Files to send").get_by_role("listitem")


async def _is_seen(image: Locator) -> None:
    await expect(image).to_be_visible()
    await expect(image).to_have_js_property("naturalWidth", 64)


async def test_chosen_files_are_sent_and_still_shown_after_a_reload_and_an_edit(page: Page, provider: ProviderStub) -> None:
    await provider.script(Text("A stamp, and you leave at noon."), Text("A blue one."))
    await sign_up(page)
    await page.get_by_label("Files", exact=True).set_input_files([PHOTO, NOTES, FAKE])
    await expect(page.get_by_role("alert")).to_contain_text("text files can be attached; this is text, though")
    await _is_seen(_tray(page).get_by_role("img", name="stamp.png"))
    await page.get_by_role("button", name="Remove page.png").click()

    answer = await say(page, "What is this?")
    await expect_status(answer, "completed")
    await expect(_tray(page)).to_have_count(0)
    [request] = await provider.requests("What is this?")
    assert [part["type"] for part in request.messages[-1]["content"]] == ["text", "image_url", "text"]
    await page.reload()

    sent = page.get_by_role("list", name="Attachments")
    await _is_seen(sent.get_by_role("img", name="stamp.png"))
    async with page.expect_download() as download:
        await sent.get_by_role("button", name="Save notes.txt").click()
    assert await asyncio.to_thread((await (await download.value).path()).read_bytes) == NOTES["buffer"]
    await page.get_by_role("button", name="Edit this message").click()
    await page.get_by_label("Edited message").fill("Which colour?")
    await page.keyboard.press("Enter")

    await expect(page.locator(".answer .prose")).to_have_text("A blue one.")
    await _is_seen(sent.get_by_role("img", name="stamp.png"))


@pytest.mark.parametrize(("kind", "place"), [("paste", "#message"), ("drop", "#road")])
async def test_an_image_can_be_pasted_and_dropped(page: Page, provider: ProviderStub, kind: str, place: str) -> None:
    await provider.script(Text("A stamp."))
    await sign_up(page)
    await page.evaluate(_GIVE, [kind, place, "stamp.png", b64encode(png(64, 48)).decode()])
    await _is_seen(_tray(page).get_by_role("img", name="stamp.png"))

    await expect_status(await say(page, "What is this?"), "completed")

    await _is_seen(page.get_by_role("list", name="Attachments").get_by_role("img"))
    [request] = await provider.requests("What is this?")
    assert b64encode(png(64, 48)).decode() in json.dumps(request.body)
