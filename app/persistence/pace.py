"""How long what is written behind may wait."""

from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import Final

# Under load the pause grows until one write in its turn takes this share of the time at the most, and the longest is so many pauses.
_LARGEST_SHARE: Final = 0.05
_LONGEST: Final = 20


class Pace:
    """One for all that a process writes in the same way."""

    def __init__(self, pause_seconds: float) -> None:
        self._least_seconds = pause_seconds
        self._last_write_seconds = 0.0

    @property
    def pause_seconds(self) -> float:
        return min(max(self._least_seconds, self._last_write_seconds / _LARGEST_SHARE), self._least_seconds * _LONGEST)

    @contextmanager
    def timing(self) -> Generator[None]:
        """Learn from a write that succeeds."""
        started = monotonic()
        yield
        self._last_write_seconds = monotonic() - started
