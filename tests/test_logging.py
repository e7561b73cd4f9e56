"""The log has our own events and no word of a user's, whichever library would tell one."""

import json
import logging
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog

from app.mail import LoggedPost, Mail
from app.observability.logging import set_up_logging
from app.settings import ROOT, LogSettings
from tests.agent.test_tools import call, refusing_proxy

CANARY = "zyxcanary"

__all__ = ["refusing_proxy"]


@pytest.fixture
def output() -> Iterator[StringIO]:
    """What is logged, at the most talkative level."""
    root, ours = logging.getLogger(), logging.getLogger("app")
    before = (root.handlers[:], root.level, ours.level)
    stream = StringIO()
    set_up_logging(LogSettings(LOG_LEVEL="debug", LOG_FORMAT="json"), stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def _lines(output: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_request_is_found_as_the_document_for_whoever_is_on_call_looks_for_it(output: StringIO) -> None:
    [pattern] = re.findall(r"""grep '("request_id".+)…"'$""", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    structlog.get_logger("app.api").info("request_finished", request_id=pattern.rpartition('"')[2])
    assert pattern in output.getvalue()


@pytest.mark.usefixtures("refusing_proxy")
async def test_a_web_search_that_fails_leaves_no_word_of_it_in_the_log(output: StringIO) -> None:
    [result] = await call(("web_search", {"query": CANARY}))
    assert result.status == "error"
    assert CANARY not in output.getvalue()


@pytest.mark.parametrize("library", ["ddgs.ddgs", "asyncio", "mem1", "root"])
def test_a_library_is_heard_without_its_words(output: StringIO, library: str) -> None:
    other = logging.getLogger(library)
    other.info("looking for %s", CANARY)
    other.error("not found: %s", CANARY, exc_info=LookupError(CANARY))
    [line] = _lines(output)
    assert (line["event"], line["logger"], line["level"], line["error"]) == ("library_warned", library, "error", "LookupError")
    assert CANARY not in output.getvalue()


def test_of_the_server_and_the_queue_the_words_are_kept_and_no_variable_of_a_frame(output: StringIO) -> None:
    def fails() -> None:
        said = CANARY
        raise LookupError(len(said))

    try:
        fails()
    except LookupError:
        logging.getLogger("uvicorn.error").exception("It ended")
        logging.getLogger("procrastinate.worker").exception("The job failed")
    served, queued = _lines(output)
    assert (served["event"], served["error"]) == ("It ended", "LookupError")
    assert (queued["event"], queued["exception"][0]["exc_value"]) == ("The job failed", "9")
    assert CANARY not in output.getvalue()


def test_our_own_events_are_heard_at_the_level_of_the_settings(output: StringIO) -> None:
    structlog.get_logger("app.runs.walk").debug("step_taken", place=1)
    assert [(line["event"], line["place"]) for line in _lines(output)] == [("step_taken", 1)]


async def test_a_mail_of_development_is_a_line_that_ends_in_its_link_without_colours() -> None:
    root, ours, stream = logging.getLogger(), logging.getLogger("app"), StringIO()
    before = (root.handlers[:], root.level, ours.level)
    try:
        set_up_logging(LogSettings(LOG_LEVEL="info", LOG_FORMAT="console"), stream)
        await LoggedPost().send(Mail(to="ada@example.com", subject="A new password", text="Open\n\nit.\n", link="http://here/a#token=x"))
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])
    [line] = stream.getvalue().splitlines()
    assert line.endswith("to=ada@example.com link=http://here/a#token=x")
    assert "\x1b" not in line
