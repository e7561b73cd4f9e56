"""A request, told of when it begins and when it ends."""

import time
from typing import Final

from starlette.types import Message, Scope

from app import signals
from app.api.routes import route_of

_EVENT_STREAM: Final = b"text/event-stream"


class Measured:
    """It ends once: when its answer is sent, but an event stream's with its first byte, for it lasts as long as the run and its reader."""

    __slots__ = ("_awaits_byte", "_is_told", "_scope", "_started", "status")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._started = time.perf_counter()
        self._awaits_byte = False
        self._is_told = False
        self.status = 0
        signals.request_begun()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def begin(self, message: Message) -> None:
        """The answer's head is about to be sent."""
        self.status = message["status"]
        self._awaits_byte = any(name == b"content-type" and value.startswith(_EVENT_STREAM) for name, value in message["headers"])

    def sent(self, message: Message) -> None:
        if self._awaits_byte and message.get("body"):
            self._awaits_byte = False
            self.end()

    def end(self) -> None:
        if not self._is_told:
            self._is_told = True
            signals.request_ended(self._scope["method"], route_of(self._scope), self.status, self.seconds)
