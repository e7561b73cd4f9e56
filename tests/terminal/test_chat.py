"""`python -m app chat` against a real server: what a user of it sees, does and is asked."""

import argparse
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.cli import main
from app.errors import AppError, InvalidCredentials, NotAuthenticated, RateLimited
from app.settings import ROOT
from app.terminal.account import Tokens, kept_tokens, log_in
from app.terminal.commands import chat
from app.terminal.server import Reading
from app.terminal.server import Server as Api
from tests.conftest import Server
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.terminal.screen import ScriptedScreen
from tests.visitor import PASSWORD, Visitor

RENAME = ToolCalls([ToolCall("rename_session", {"name": "Oslo"}, id="rename")])
SUM = ToolCalls([ToolCall("calculate", {"expression": "2+2"})])


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MILEPOST_PASSWORD", PASSWORD)
    monkeypatch.delenv("MILEPOST_EMAIL", raising=False)
    monkeypatch.delenv("MILEPOST_API_KEY", raising=False)


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    with Api(server.url) as api:
        yield api


def talk(server: Server, screen: ScriptedScreen, **chosen: Any) -> int:
    """As Ada, who has an account."""
    given: dict[str, Any] = {"session": None, "agent": None, "model": None, "email": "ada@example.com", "register": False}
    return chat(argparse.Namespace(**given | {"url": server.url} | chosen), screen)


async def test_a_key_in_the_environment_speaks_for_its_user_and_is_not_kept(
    server: Server, provider: ProviderStub, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provider.script(Text("Four."))
    new = (await ada.http.post("/auth/api-keys", json={"name": "Terminal", "scopes": ["chat"]})).json()
    monkeypatch.setenv("MILEPOST_API_KEY", new["key"])
    screen = ScriptedScreen("What is 2+2?", "/quit")
    assert talk(server, screen, email="") == 0
    assert "Four." in screen.heard
    assert not kept_tokens().exists()
    assert len((await ada.http.get("/sessions")).json()["items"]) == 1
    await ada.http.delete(f"/auth/api-keys/{new['id']}")
    with pytest.raises(NotAuthenticated):
        talk(server, ScriptedScreen("Still there?", "/quit"), email="")


@pytest.mark.usefixtures("ada")
async def test_a_talk_shows_words_tools_and_costs_and_keeps_its_session(server: Server, provider: ProviderStub, ada: Visitor) -> None:
    await provider.script(SUM, Text("Four."), Text("Five."))
    screen = ScriptedScreen("What is 2+2?", "And one?", "/quit", "never sent")
    assert talk(server, screen) == 0
    order = ['[→ calculate {"expression": "2+2"}]', "[← calculate 4]", "Four.", "tokens", "> And one?", "Five."]
    places = [screen.heard.index(words) for words in order]
    assert places == sorted(places)
    [session] = (await ada.http.get("/sessions")).json()["items"]
    assert [message["content"] for message in await ada.messages(session["id"])] == ["What is 2+2?", "Four.", "And one?", "Five."]


@pytest.mark.parametrize(("said", "told"), [(["y"], "is now called"), (["n", "Not now."], "and said: Not now.")])
async def test_what_the_agent_asks_is_asked(server: Server, ada: Visitor, provider: ProviderStub, said: list[str], told: str) -> None:
    await provider.script(RENAME, Text("Done."))
    screen = ScriptedScreen("Call it Oslo", *said)
    assert talk(server, screen) == 0
    assert 'The agent wants to call rename_session {"name": "Oslo"}' in screen.heard
    assert told in str((await provider.requests())[-1].messages[-1]["content"])
    assert "Done." in screen.heard
    [session] = (await ada.http.get("/sessions")).json()["items"]
    assert session["name"] == ("Oslo" if said == ["y"] else "Call it Oslo")


async def test_a_session_with_an_open_question_is_gone_on_with(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(RENAME, Text("Done."))
    session = await ada.open_session("Trip")
    await ada.ask(session, "Call it Oslo")
    screen = ScriptedScreen("y")
    talk(server, screen, session=session)
    assert "Trip · assistant" in screen.heard
    assert "> Call it Oslo" in screen.heard
    assert "Done." in screen.heard


async def test_ctrl_c_stops_the_answer_and_the_talk_goes_on(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("One two three four five six", seconds_between=0.3), Text("Here."))
    pressed: list[str] = []

    def press(_: str) -> None:
        if not pressed:
            pressed.append("^C")
            raise KeyboardInterrupt

    screen = ScriptedScreen("Count", "Hello?", on_token=press)
    assert talk(server, screen) == 0
    assert "stopping; Ctrl-C again leaves" in screen.heard
    assert "stopped; what was said is kept" in screen.heard
    assert screen.heard.count(" tokens") == 1  # of the second: nobody told what the first had cost
    assert "Here." in screen.heard
    [session] = (await ada.http.get("/sessions")).json()["items"]
    statuses = [message["status"] for message in await ada.messages(session["id"]) if message["role"] == "assistant"]
    assert statuses == ["cancelled", "completed"]


@pytest.mark.usefixtures("ada")
async def test_a_second_ctrl_c_leaves(server: Server, provider: ProviderStub, monkeypatch: pytest.MonkeyPatch) -> None:
    await provider.script(Text("One two three four five six", seconds_between=0.3))

    def press(_: str) -> None:
        raise KeyboardInterrupt

    screen = ScriptedScreen("Count", on_token=press)
    monkeypatch.setattr(screen, "note", press)  # the second, while it is being stopped
    with pytest.raises(KeyboardInterrupt):
        talk(server, screen)


async def test_the_commands_list_and_choose(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Hello."), Text("Again."))
    old = await ada.open_session("Old one")
    await ada.ask(old, "Hi")
    screen = ScriptedScreen("/agent", "/model", "/model gpt-5", "/sessions", "/sessions 1", "More", "/new", "/agent assistant", "/model")
    talk(server, screen)
    for words in (
        "[assistant: Answers and helps",
        "[  stub]\n\n[  gpt-5]",
        "[Asking gpt-5 from now on.]",
        "Old one",
        "> Hi\nHello.",
        "Again.",
        "begins a session with assistant",
        "[  stub]\n\n[* gpt-5]",
    ):
        assert words in screen.heard, words
    assert (await provider.requests())[-1].body["model"] == "gpt-5"
    assert len(await ada.messages(old)) == 4


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("/agent nobody", "[There is no agent nobody; there are:]\n\n[assistant: "),
        ("/model nothing", "[There is no model nothing; there are:]\n\n[  stub]\n\n[  gpt-5]"),
        ("/sessions 99", "[There is no session 99; there are:]"),
        ("/what is this", "[There is no command /what; there are:]\n\n[/sessions       list"),
    ],
)
async def test_what_there_is_not_is_said_not_to_be_there(server: Server, typed: str, told: str) -> None:
    screen = ScriptedScreen(typed)
    assert talk(server, screen) == 0
    assert told in screen.heard


@pytest.mark.parametrize("pressed", [KeyboardInterrupt, EOFError])
async def test_who_leaves_at_a_question_is_told_the_way_back(
    server: Server, ada: Visitor, provider: ProviderStub, pressed: type[BaseException]
) -> None:
    await provider.script(RENAME, Text("Done."))
    screen = ScriptedScreen("Call it Oslo", pressed, "never sent")
    assert talk(server, screen) == 0
    [session] = (await ada.http.get("/sessions")).json()["items"]
    assert screen.heard.endswith(
        f"The question waits; come back to it with: python -m app chat --session {session['id']} --url {server.url}\n"
    )
    again = ScriptedScreen("y")
    assert talk(server, again, session=session["id"]) == 0
    assert "Done." in again.heard


@pytest.mark.usefixtures("ada")
async def test_what_goes_wrong_with_a_message_is_told_and_the_talk_goes_on(server: Server, provider: ProviderStub) -> None:
    await provider.script(Text("Broken", ending="reset", after=1), Text("Fine."))
    screen = ScriptedScreen("One", "Two")
    assert talk(server, screen, model=None) == 0
    assert "(model_bad_answer)" in screen.heard or "(model_unavailable)" in screen.heard
    assert "Fine." in screen.heard
    unknown = ScriptedScreen("One")
    talk(server, unknown, agent="nobody")
    assert "(unknown_agent)" in unknown.heard


def _piped(server: Server, message: str, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "app", "chat", "--url", server.url, "--email", "ada@example.com", *more]
    return subprocess.run(command, cwd=ROOT, input=message, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603


@pytest.mark.usefixtures("ada")
async def test_a_question_through_a_pipe_has_its_answer_on_standard_output_and_nothing_else(server: Server, provider: ProviderStub) -> None:
    await provider.script(SUM, Text("Four\x1b[31m."))
    done = _piped(server, "What is 2+2?\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Four\ufffd[31m.\n", "")


@pytest.mark.usefixtures("ada")
async def test_without_an_answer_the_exit_code_is_one(server: Server, provider: ProviderStub) -> None:
    await provider.script(RENAME)
    asked = _piped(server, "Call it Oslo")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "wants to call rename_session" in asked.stderr
    unknown = _piped(server, "Hi", "--model", "nobody")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "There is no model of this name" in unknown.stderr


def test_a_server_that_is_not_there_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["chat", "--url", "http://127.0.0.1:9", "--email", "ada@example.com"])
    assert ended.value.code == 1
    assert "No server answers at http://127.0.0.1:9." in capsys.readouterr().err


@pytest.mark.usefixtures("ada")
async def test_the_token_is_kept_for_its_owner_only_and_the_password_never(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, nobody = Tokens(kept_tokens()), ScriptedScreen(is_interactive=False)
    log_in(api, nobody, tokens, email="ada@example.com", registers=False)
    assert stat.S_IMODE(kept_tokens().stat().st_mode) == 0o600
    assert PASSWORD not in kept_tokens().read_text()
    monkeypatch.delenv("MILEPOST_PASSWORD")
    log_in(api, nobody, tokens, email="", registers=False)
    assert api.get("auth/me")["email"] == "ada@example.com"
    with pytest.raises(AppError, match="nobody to ask"):
        log_in(api, nobody, tokens, email="bob@example.com", registers=False)


@pytest.mark.usefixtures("ada")
def test_a_token_that_ends_in_the_middle_is_renewed_and_no_password_asked_for(
    api: Api, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    tokens, nobody = Tokens(kept_tokens()), ScriptedScreen(is_interactive=False)
    log_in(api, nobody, tokens, email="ada@example.com", registers=False)
    monkeypatch.delenv("MILEPOST_PASSWORD")
    for _ in range(2):
        api.http.headers["Authorization"] = "Bearer ended"
        assert api.get("auth/me")["email"] == "ada@example.com"
    api.http.headers["Authorization"] = "Bearer ended"
    session = api.post("sessions", {"name": "Named"})
    api.http.headers["Authorization"] = "Bearer ended"
    assert [*Reading(api, f"sessions/{session['id']}/chat/stream", {"message": "Hello"})][-1].type == "end"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE login SET revoked_at = now()")
    with pytest.raises(NotAuthenticated):
        api.get("auth/me")
    assert tokens.find(api.url, "ada@example.com") is None


@pytest.mark.usefixtures("ada", "bob")
def test_whoever_has_logged_in_meanwhile_is_not_spoken_for(server: Server, api: Api) -> None:
    tokens, nobody = Tokens(kept_tokens()), ScriptedScreen(is_interactive=False)
    log_in(api, nobody, tokens, email="ada@example.com", registers=False)
    with Api(server.url) as other:
        log_in(other, nobody, tokens, email="bob@example.com", registers=False)
    api.http.headers["Authorization"] = "Bearer ended"
    with pytest.raises(NotAuthenticated):
        api.get("auth/me")
    assert tokens.find(api.url, "bob@example.com"), "and stays logged in"


@pytest.mark.usefixtures("ada")
@pytest.mark.variables(RATE_LIMIT_ENABLED="true", RATE_LIMIT_LOGIN="2 per minute")
def test_a_server_that_cannot_renew_a_token_just_now_does_not_end_the_login(api: Api) -> None:
    tokens, nobody = Tokens(kept_tokens()), ScriptedScreen(is_interactive=False)
    log_in(api, nobody, tokens, email="ada@example.com", registers=False)  # the second time: she has registered
    api.http.headers["Authorization"] = "Bearer ended"
    with pytest.raises(RateLimited):
        api.get("auth/me")
    assert tokens.find(api.url, "ada@example.com")


def test_a_token_that_has_ended_is_asked_for_anew(api: Api) -> None:
    tokens = Tokens(kept_tokens())
    tokens.keep(api.url, "ada@example.com", "ended")
    log_in(api, ScriptedScreen(is_interactive=False), tokens, email="ada@example.com", registers=True)
    kept = tokens.find(api.url, "ada@example.com")
    assert kept
    assert kept["token"] != "ended"


def test_who_has_no_account_may_make_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILEPOST_PASSWORD")
    with pytest.raises(InvalidCredentials):
        log_in(api, ScriptedScreen("eve@example.com", PASSWORD, "n"), Tokens(kept_tokens()), email="", registers=False)
    log_in(api, ScriptedScreen("eve@example.com", PASSWORD, "y"), Tokens(kept_tokens()), email="", registers=False)
    assert api.get("auth/me")["email"] == "eve@example.com"


class RealTerminal:
    """The command itself with a pseudo-terminal for its input and output."""

    def __init__(self, url: str) -> None:
        self._end, theirs = pty.openpty()
        command = [sys.executable, "-m", "app", "chat", "--url", url, "--email", "ada@example.com"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)  # noqa: S603
        os.close(theirs)
        self._unread = ""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)

    def shows(self, text: str) -> bool:
        """Wait until this has come, after what was waited for before."""
        deadline = time.monotonic() + 30
        while text not in self._unread:
            assert time.monotonic() < deadline, self._unread
            if select.select([self._end], [], [], 0.1)[0]:
                self._unread += os.read(self._end, 4096).decode(errors="replace")
        self._unread = self._unread.partition(text)[2]
        return True

    def type(self, line: str) -> None:
        os.write(self._end, f"{line}\n".encode())


@pytest.fixture
def terminal(server: Server) -> Iterator[RealTerminal]:
    terminal = RealTerminal(server.url)
    yield terminal
    terminal.close()


@pytest.mark.usefixtures("ada")
async def test_in_a_real_terminal_ctrl_c_stops_the_answer(terminal: RealTerminal, provider: ProviderStub) -> None:
    await provider.script(Text("One two three four five six", seconds_between=0.5), Text("Here."))
    assert terminal.shows("> ")
    terminal.type("Count")
    assert terminal.shows("One")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.shows("stopping")
    assert terminal.shows("is kept")
    assert terminal.shows("> ")
    terminal.type("Hello?")
    assert terminal.shows("Here.")
    assert terminal.shows("> ")
    terminal.type("/quit")
    assert terminal.process.wait(timeout=30) == 0
