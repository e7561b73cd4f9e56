"""The API guide says what a server says: its commands are run here, in a shell, as a reader runs them."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Server
from tests.handbook.guide import GUIDE, masked, run, steps

# The demo model, as whoever has no key has it. No worker, so that a run in the background can be stopped before it is made.
VARIABLES: Final = {
    "OPENAI_API_KEY": "",
    "OPENAI_BASE_URL": "",
    "DEFAULT_LLM_MODEL": "demo",
    "MODELS_FILE": "models.yaml",
    "WORKER_IN_SERVER": "false",
    "HASH_MEMORY_KIB": "64",
    "LLM_FALLBACK": "true",
}


@pytest.mark.variables(**VARIABLES)
async def test_each_command_of_the_guide_is_answered_as_it_says(server: Server, tmp_path: Path) -> None:
    guide = steps(GUIDE.read_text())
    answers = await asyncio.to_thread(run, [step.command for step in guide], server.url, tmp_path)
    assert len(answers) == len(guide)
    for step, answer in zip(guide, answers, strict=True):
        if step.kind:
            assert masked(answer) == masked(step.answer), f"{step.command}\nIf the guide is to say so: .venv/bin/python -m tests.handbook"


def test_the_guide_has_each_thing_that_a_client_does() -> None:
    commands = "\n".join(step.command for step in steps(GUIDE.read_text()))
    for part in (
        "auth/register",
        "auth/login",
        "/chat ",
        "/chat/stream",
        "/resume",
        "Last-Event-ID",
        "/cancel",
        "Idempotency-Key",
        "/usage",
    ):
        assert part in commands, part
