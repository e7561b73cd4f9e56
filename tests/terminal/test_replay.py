"""`python -m app replay`: a session's past, seen and run on from in the terminal."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from app.errors import AppError, CheckpointNotFound
from app.terminal.commands import replay
from tests.conftest import Server
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.terminal.screen import ScriptedScreen
from tests.visitor import PASSWORD, Visitor


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MILEPOST_PASSWORD", PASSWORD)


def replayed(server: Server, session: str, **chosen: Any) -> tuple[int, str]:
    screen = ScriptedScreen(is_interactive=False)
    given = {"session": session, "at": None, "run": False, "message": None, "model": None, "email": "ada@example.com", "register": False}
    code = replay(argparse.Namespace(**given | {"url": server.url} | chosen), screen)
    return code, screen.heard


async def test_a_past_is_listed_looked_at_and_run_on_from(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    call = ToolCalls([ToolCall("calculate", {"expression": "2+2"})])
    await provider.script(call, Text("Four.", seconds_between=0.2), Text("It is 4."), Text("Bye."))
    session = await ada.open_session()
    await ada.ask(session, "2+2?")
    code, listed = replayed(server, session)
    lines = listed.splitlines()
    assert code == 0
    assert lines[0].startswith("* ")
    assert lines[0].endswith("nothing left to do")
    middle = next(line for line in lines if line.endswith("3 messages  then respond")).split()[0]
    end = lines[0].split()[1]

    _, shown = replayed(server, session, at=middle)
    assert "user: 2+2?" in shown
    assert "tool calculate: 4" in shown
    assert replayed(server, session, at=middle, run=True) == (0, "It is 4.\n")
    assert replayed(server, session, at=end, message="Thanks") == (0, "Bye.\n")
    assert [message["content"] for message in await ada.messages(session)] == ["2+2?", "Four.", "Thanks", "Bye."]


async def test_where_there_is_nothing_to_run_on_from_that_is_said(server: Server, ada: Visitor) -> None:
    session = await ada.open_session()
    assert replayed(server, session) == (0, "")
    with pytest.raises(CheckpointNotFound):
        replayed(server, session, at="1f0c0e5a-7d3e-6a3c-8000-5c2b1d0e9f77", run=True)
    with pytest.raises(AppError, match="Say where"):
        replayed(server, session, run=True)
