"""What a target is to whoever runs cases against it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from app.errors import AppError
from evals.answers import Turn


class NotAnswered(Exception):
    """A message that came to no answer: `turn` is what there is of it, None where it was not even begun."""

    def __init__(self, code: str, detail: str, turn: Turn | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.turn = turn


def not_answered(error: AppError) -> NotAnswered:
    return NotAnswered(error.code, error.detail)


class Conversation(Protocol):
    async def ask(self, text: str) -> Turn:
        """Say it and hear the whole answer; raise NotAnswered."""
        ...

    @property
    def begun(self) -> Turn | None:
        """What there is of the turn that was cut off, None between turns."""
        ...


class Target(Protocol):
    @property
    def about(self) -> Mapping[str, str]:
        """Which it is, in words for a report."""
        ...

    def conversation(self) -> AbstractAsyncContextManager[Conversation]:
        """A session of its own, that is gone when it is left; raise NotAnswered where none is to be had."""
        ...
