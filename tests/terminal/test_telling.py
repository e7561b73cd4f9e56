"""A line for each thing that happens beside the answer."""

from typing import Any

import pytest

from app.terminal.server import Event
from app.terminal.telling import Live
from tests.terminal.screen import ScriptedScreen

USAGE = {"model": "stub", "total_tokens": 1_234, "cost_usd": 0.5, "from_cache": False}
STEP = {"agent": "researcher", "node": "worker", "title": "Prices", "status": "failed", "content": {"question": "What does it cost?"}}


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        ("usage", USAGE, "\n[stub: 1,234 tokens, $0.5000]\n"),
        ("usage", USAGE | {"total_tokens": 0, "cost_usd": 0.0}, ""),
        ("usage", USAGE | {"total_tokens": 0, "cost_usd": 0.0, "from_cache": True}, "\n[stub: told again from the cache]\n"),
        ("step", STEP | {"status": "begun"}, "\n[researcher/worker: Prices (begun)]\n"),
        ("step", STEP | {"content": {"reason": "No page answered."}}, "\n[researcher/worker: Prices (failed: No page answered.)]\n"),
    ],
)
def test_what_happens_beside_the_answer_is_one_line(kind: str, data: dict[str, Any], line: str) -> None:
    screen = ScriptedScreen()
    Live(screen).tell(Event(1, kind, data))
    assert screen.heard == line
