"""scripts/load-smoke: a few people talk with a server that is well, limited, dead, or that loses what it says."""

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import psycopg
import pytest

from app.settings import ROOT
from benchmarks.smoke import main
from tests.conftest import Server
from tests.ports import held_port
from tests.stub.answers import HttpError
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

_KEPT = 'SELECT (SELECT count(*) FROM "user"), (SELECT count(*) FROM session)'
_FEW = ("--users", "2", "--turns", "2", "--seconds", "60")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILEPOST_API_KEY", raising=False)


async def _run(url: str, *more: str) -> int:
    return await asyncio.to_thread(main, [url, *_FEW, *more])


def _kept(server: Server) -> tuple[int, int]:
    """Users and sessions."""
    with psycopg.connect(server.settings.database.url) as connection:
        [(users, sessions)] = connection.execute(_KEPT).fetchall()
    return users, sessions


@pytest.mark.usefixtures("provider")
async def test_a_server_that_is_well_loses_nothing_and_keeps_nobody(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert await _run(server.url) == 0
    said = capsys.readouterr().out
    assert "whole        4 of 4" in said
    assert "failed       0\n" in said
    assert "lost         0\n" in said
    assert "first token  p50" in said
    assert "turn         p50" in said
    assert _kept(server) == (0, 0)


async def test_it_may_speak_with_one_key_and_ask_one_model(
    server: Server, ada: Visitor, provider: ProviderStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = (await ada.http.post("/auth/api-keys", json={"name": "Smoke", "scopes": ["chat"]})).json()
    monkeypatch.setenv("MILEPOST_API_KEY", new["key"])
    assert await _run(server.url, "--model", "gpt-5") == 0
    asked = await provider.requests("Name ten rivers")
    assert {request.body["model"] for request in asked} == {"gpt-5"}
    assert len(asked) == 4
    assert _kept(server) == (1, 0)


async def test_a_key_that_is_none_is_an_error_of_its_own(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILEPOST_API_KEY", "mp_canary")
    assert await _run(server.url) == 2
    assert capsys.readouterr().err == f"{server.url} does not take the key in MILEPOST_API_KEY.\n"


async def test_a_dead_address_is_an_error_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with held_port() as nobody:
        assert await _run(f"http://127.0.0.1:{nobody.getsockname()[1]}") == 2
    assert "No server answers at" in capsys.readouterr().err


def test_an_address_without_its_scheme_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["chat.example.com"])
    assert left.value.code == 2
    assert "'chat.example.com' does not begin with http:// or https://" in capsys.readouterr().err


async def test_what_fails_is_told_by_its_code_and_counts_beyond_what_may(
    server: Server, provider: ProviderStub, capsys: pytest.CaptureFixture[str]
) -> None:
    await provider.script(HttpError(500))
    assert await _run(server.url) == 1
    assert "failed       1: model_unavailable 1\n" in capsys.readouterr().out
    await provider.script(HttpError(500))
    assert await _run(server.url, "--failures", "1") == 0


@pytest.mark.usefixtures("provider")
@pytest.mark.variables(RATE_LIMIT_STREAM="1 per minute")
async def test_what_a_limit_refuses_is_told_and_is_not_lost(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert await _run(server.url) == 0
    said = capsys.readouterr().out
    assert "limited " in said
    assert ": rate_limited" in said
    assert "lost         0\n" in said
    assert "docs/limits.md" in said


type Frame = tuple[int, str, dict[str, Any]]
type Frames = Sequence[Frame]
_START: Frame = (1, "start", {})
_A, _B = (2, "token", {"content": "a"}), (3, "token", {"content": "b"})
_END = (4, "end", {"status": "completed"})


class Leaky(BaseHTTPRequestHandler):
    """A server of which a test says what is read on after the first token, and what a replay tells."""

    rest: ClassVar[Frames] = ()
    replay: ClassVar[Frames] = ()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/stream"):
            self._tell([_START, _A])
        else:
            self._answer(json.dumps({"id": "one", "tokens": {"access_token": "x"}}).encode())

    def do_GET(self) -> None:
        after = int(self.headers["Last-Event-ID"])
        self._tell([frame for frame in (self.rest if after else self.replay) if frame[0] > after])

    def do_DELETE(self) -> None:
        self._answer(b"")

    def _tell(self, frames: Frames) -> None:
        text = "".join(f"id: {number}\nevent: {kind}\ndata: {json.dumps(told)}\n\n" for number, kind, told in frames)
        self._answer(text.encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("X-Run-ID", "run")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def leaky() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Leaky) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("rest", "replay", "lost"),
    [
        ([_B, _END], [_START, _A, _B, _END], ""),
        ([_END], [_START, _A, _B, _END], "a gap between numbers"),
        ([(3, "token", {"content": "x"}), _END], [_START, _A, _B, _END], "a replay that differs"),
        ([(1_000_001, "reset", {"reason": "taken over"}), (1_000_002, "end", {"status": "completed"})], None, ""),
    ],
    ids=["whole", "gap", "other words", "another attempt"],
)
async def test_what_a_server_loses_is_named(
    rest: Frames, replay: Frames | None, lost: str, *, leaky: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Leaky, "rest", rest)
    monkeypatch.setattr(Leaky, "replay", [_START, _A, *rest] if replay is None else replay)
    assert await _run(leaky) == (1 if lost else 0)
    said = capsys.readouterr().out
    assert f"lost         4: {lost}" in said if lost else "lost         0\n" in said


def test_a_stream_that_never_ends_is_lost_when_time_is_up(leaky: str) -> None:
    command = [str(ROOT / "scripts" / "load-smoke"), leaky, "--users", "1", "--turns", "1", "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    assert (done.returncode, done.stderr) == (1, "")
    assert "lost         1: not over when time was up 1\n" in done.stdout


def test_the_script_says_that_the_default_model_is_asked_and_how_another_is() -> None:
    done = subprocess.run([ROOT / "scripts" / "load-smoke", "--help"], capture_output=True, text=True, check=True)  # noqa: S603  # our own
    assert "the server's default, with what it costs" in " ".join(done.stdout.split())
