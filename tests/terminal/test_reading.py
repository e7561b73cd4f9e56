"""A stream that breaks off is read on, and nothing in it is told twice."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from app.errors import AppError, SessionBusy
from app.terminal.server import Reading, Server


def frame(number: int, kind: str, **data: Any) -> bytes:
    return f": ping\n\nid: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


class Brittle(BaseHTTPRequestHandler):
    """Turns the first request away, hangs up in the middle of the second, and goes on in the third."""

    asked: ClassVar[list[tuple[str, str, str | None, str | None]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(("POST", self.path, self.headers["Idempotency-Key"], None))
        if self.path.endswith("moved"):
            self._answer(301, [b"<html>"], Location="https://elsewhere.example/\x1b[2J")
        elif self.path.endswith("page"):
            self._answer(200, [b"<html>"])
        elif self.path.endswith("busy"):
            self._answer(409, [json.dumps({"code": "session_busy", "detail": "It is answering."}).encode()])
        elif len(self.asked) == 1:
            self._answer(503, [b"{}"])
        else:
            self._answer(200, [frame(1, "start"), frame(2, "token", content="Hel")])

    def do_GET(self) -> None:
        self.asked.append(("GET", self.path, None, self.headers["Last-Event-ID"]))
        self._answer(200, [frame(3, "token", content="lo"), frame(4, "end", status="completed")])

    def _answer(self, status: int, pieces: list[bytes], **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-Run-ID", "run-1")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def brittle() -> Iterator[str]:
    Brittle.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Brittle) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_it_sends_once_and_reads_on_after_the_last_event(brittle: str) -> None:
    with Server(brittle) as server:
        reading = Reading(server, "sessions/1/chat/stream", {"message": "Hi", "model": None})
        events = [*reading]
        assert [*reading] == []
    assert [(event.number, event.type) for event in events] == [(1, "start"), (2, "token"), (3, "token"), (4, "end")]
    (_, _, first, _), (_, _, second, _), last = Brittle.asked
    assert first == second, "the same key, so that the message is sent once"
    assert last == ("GET", "/api/v1/runs/run-1/stream", None, "2")


def test_what_the_request_is_to_blame_for_is_raised(brittle: str) -> None:
    with Server(brittle) as server, pytest.raises(SessionBusy, match="It is answering"):
        [*Reading(server, "busy", {})]


@pytest.mark.parametrize(("path", "words"), [("moved", "sends to https://elsewhere.example/"), ("page", "not as a Milepost server does")])
def test_a_server_of_another_kind_is_named_and_cannot_write_on_the_terminal(path: str, words: str, brittle: str) -> None:
    with Server(brittle) as server, pytest.raises(AppError, match=words) as refused:
        server.post(path, {})
    assert "\x1b" not in refused.value.detail


def test_a_stream_that_is_sent_elsewhere_is_not_tried_again_and_again(brittle: str) -> None:
    with Server(brittle) as server, pytest.raises(AppError, match="name that"):
        [*Reading(server, "moved", {})]
