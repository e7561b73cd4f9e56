"""What the stub has been told to answer, and what it has been asked."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tests.stub.answers import Answer
from tests.stub.http import HttpRequest

MAX_PENDING: Final = 10_000
MAX_REMEMBERED: Final = 1_000


class ScriptFull(Exception):
    """More answers are waiting than a test can mean."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request and what became of it; neither flag is set while it is being answered."""

    number: int
    connection: int
    request: HttpRequest
    answered: bool = False
    closed_early: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "connection": self.connection,
            "headers": self.request.headers,
            "body": self._body(),
            "answered": self.answered,
            "closed_early": self.closed_early,
        }

    def _body(self) -> Any:
        try:
            return orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            return {}


@dataclass(slots=True)
class Script:
    """Pending answers in order, and the latest requests."""

    _pending: list[Answer] = field(default_factory=list)
    _asked: deque[Asked] = field(default_factory=lambda: deque(maxlen=MAX_REMEMBERED))
    _count: int = 0

    def add(self, answers: Sequence[Answer]) -> None:
        added = [answer for answer in answers for _ in range(answer.times)]
        if len(self._pending) + len(added) > MAX_PENDING:
            raise ScriptFull
        self._pending += added

    def take(self, said: str) -> Answer | None:
        """Hand out the first answer addressed to these words, else the first addressed to nobody."""
        mine = (answer for answer in self._pending if answer.when and answer.when in said)
        anyones = (answer for answer in self._pending if not answer.when)
        if chosen := next(mine, None) or next(anyones, None):
            self._pending.remove(chosen)
        return chosen

    def remember(self, request: HttpRequest, connection: int) -> Asked:
        self._count += 1
        asked = Asked(number=self._count, connection=connection, request=request)
        self._asked.append(asked)
        return asked

    def asked(self) -> list[Asked]:
        return list(self._asked)

    def clear(self) -> None:
        self._pending.clear()
        self._asked.clear()
