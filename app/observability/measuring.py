"""Have every metric hear what it counts, for as long as this process serves or works."""

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Final

from prometheus_client import disable_created_metrics

from app.observability.hearing import http, models, others, runs, stored, tools
from app.observability.hearing.tools import Knows
from app.observability.sampled import showing_samples


class _Ears:
    """One pair for a process: signals are the process's, and what is told must be counted once, however many servers a test has in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._knowing: list[Knows] = []
        self._tools: set[str] = set()
        self._open = ExitStack()

    def lend(self, knows: Knows) -> None:
        with self._lock:
            self._knowing.append(knows)
            if len(self._knowing) == 1:
                self._listen()

    def give_back(self, knows: Knows) -> None:
        with self._lock:
            self._knowing.remove(knows)
            if not self._knowing:
                self._open.close()

    def _listen(self) -> None:
        # A tenth of a scrape, for what Prometheus tells by itself.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it bare
        for listen in (http.listen, runs.listen, models.listen, stored.listen, others.listen):
            listen(self._open)
        tools.listen(self._open, self._knows)
        self._open.enter_context(showing_samples())

    def _knows(self, tool: str) -> bool:
        """Asked once of each that there is, and again and again of what a model has made up."""
        if tool not in self._tools and any(knows(tool) for knows in self._knowing):
            self._tools.add(tool)
        return tool in self._tools


_EARS: Final = _Ears()


@contextmanager
def measuring(knows: Knows) -> Generator[None]:
    """Count and time what signals tell. `knows` says whether there is a tool of a name."""
    _EARS.lend(knows)
    try:
        yield
    finally:
        _EARS.give_back(knows)
