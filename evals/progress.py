"""How far a run has come: one line that changes on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Sequence
from typing import Final, TextIO

from evals.answers import Answer
from evals.budget import Budget
from evals.scores import Score

_LINES: Final = 20


class Progress:
    """A Watcher."""

    def __init__(self, output: TextIO, total: int, done: int, budget: Budget) -> None:
        self._output = output
        self._changes = output.isatty()
        self._total = total
        self._done = done
        self._errors = 0
        self._budget = budget
        self._began = time.monotonic()

    def tell(self, answer: Answer, scores: Sequence[Score]) -> None:  # noqa: ARG002  # a Watcher's
        self._done += 1
        self._errors += bool(answer.error)
        if self._changes:
            self._output.write(f"\r\x1b[K{self._line()}")
        elif self._done * _LINES // self._total > (self._done - 1) * _LINES // self._total:
            self._output.write(f"{self._line()}\n")
        self._output.flush()

    def close(self) -> None:
        if self._changes:
            self._output.write("\r\x1b[K")
            self._output.flush()

    def _line(self) -> str:
        errors = f", {self._errors} without an answer" if self._errors else ""
        spent = f", ${self._budget.spent_usd:.4f}" if self._budget.spent_usd else ""
        return f"{self._done} of {self._total}{errors}{spent}, {time.monotonic() - self._began:.0f} s"
