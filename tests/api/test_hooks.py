"""Content hooks of a server: what providers do not see, and what users do not."""

import json
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, text_of, types_of

BLOCKLIST: Final = Path(__file__).with_name("blocklist.txt")
_masks = pytest.mark.variables(PII_MASKING="true", WORKER_IN_SERVER="true")
_moderates = pytest.mark.variables(MODERATION_BLOCKLIST=str(BLOCKLIST), RESPONSE_CACHE="true")
_holds = pytest.mark.variables(MODERATION_BLOCKLIST=str(BLOCKLIST), HOOK_HOLD_ANSWERS="true")

PERSONAL: Final = ("canary@example.com", "4111 1111 1111 1111", "555-123-4567")
MESSAGE: Final = f"I am {PERSONAL[0]}, my card is {PERSONAL[1]}, call {PERSONAL[2]}."
TOLD: Final = "I am [email], my card is [removed], call [phone]."


@_masks
async def test_no_provider_sees_who_somebody_is_and_the_transcript_has_it(ada: Visitor, provider: ProviderStub) -> None:
    session = await ada.open_session("")
    file = (await ada.http.post("/attachments?name=a.txt", content=f"Notes of {PERSONAL[0]}")).json()["id"]
    answer = await ada.ask(session, MESSAGE, attachments=[file])
    assert answer.status_code == httpx.codes.OK, answer.text
    await ada.ask(session, "And again?")
    await provider.wait_until_asked(containing="Name this conversation", seconds=30)
    sent = json.dumps([request.body for request in await provider.requests()])
    assert not [word for word in PERSONAL if word in sent]
    assert sent.count(TOLD) >= 3  # asked, asked again, and named
    assert "Notes of [email]" in sent
    assert (await ada.messages(session))[0]["content"] == MESSAGE


@_moderates
async def test_an_answer_that_was_shown_is_taken_back(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("It is Project Falcon, of course."), Text("As you were."))
    session = await ada.open_session()
    events = await ada.stream(session, "What is it?")
    assert types_of(events) == ["start", "token", "reset", "token", "usage", "error", "end"]
    assert text_of(events) == "This answer was withheld."
    [error] = [event.data for event in events if event.type == "error"]
    assert (error["code"], error["retryable"]) == ("answer_withheld", False)
    assert events[-1].data["status"] == "failed"
    run = (await ada.http.get(f"/runs/{events[0].data['run_id']}")).json()
    assert (run["error_code"], run["output_tokens"] > 0) == ("answer_withheld", True)
    assert [message["content"] for message in await ada.messages(session)] == ["What is it?", "This answer was withheld."]
    assert text_of(await ada.stream(session, "And now?")) == "As you were."
    assert "Falcon" not in json.dumps([request.body for request in await provider.requests("And now?")])


@_moderates
async def test_who_asks_for_a_whole_answer_is_refused_with_its_code_be_it_from_the_cache(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("It is Project Falcon."))
    for _ in range(2):
        refused = await ada.ask(await ada.open_session(), "What is it?", cache=True)
        assert (refused.status_code, refused.json()["code"]) == (422, "answer_withheld")
        assert "Falcon" not in refused.text
    assert len(await provider.requests("What is it?")) == 1


@_holds
async def test_where_answers_are_held_nobody_has_seen_a_word_of_it(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("It is Project Falcon."), Text("All is well."))
    session = await ada.open_session()
    events = await ada.stream(session, "What is it?")
    assert "Falcon" not in json.dumps([event.data for event in events])
    assert text_of(events) == "This answer was withheld."
    assert text_of(await ada.stream(session, "And now?")) == "All is well."
