"""A circuit breaker for each model, and the embedder: after failures in a row it is not asked, until one trial call succeeds.

The pattern is Nygard's (Release It!, "Circuit Breaker"). Each process has its own.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

import structlog

from app import signals
from app.errors import ModelBadAnswer, ModelRateLimited, ModelTimeout, ModelUnavailable

# The provider's own failures. That it refuses a key or a request says nothing about how it is.
_FAULTS: Final = (ModelUnavailable, ModelTimeout, ModelRateLimited, ModelBadAnswer)

log = structlog.get_logger()


class BreakerState(StrEnum):
    """Closed: asked as usual. Open: left out. Half open: one call at a time tries whether it is well again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    def __init__(self, model: str, *, failures: int, seconds: float) -> None:
        """Open after so many failures in a row, for so many seconds."""
        self._model = model
        self._most_failures = failures
        self._seconds = seconds
        self._failures = 0
        self._opened_at: float | None = None
        self._on_trial = False

    @property
    def state(self) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if time.monotonic() - self._opened_at < self._seconds else BreakerState.HALF_OPEN

    @property
    def admits(self) -> bool:
        """Whether the model should be asked now."""
        return self.state is BreakerState.CLOSED or (self.state is BreakerState.HALF_OPEN and not self._on_trial)

    @contextmanager
    def watching(self) -> Generator[None]:
        """Learn from one call, which is the trial if one is due; a call that is cancelled teaches nothing."""
        opened_at, is_trial = self._opened_at, self.state is BreakerState.HALF_OPEN and self.admits
        if is_trial:
            self._on_trial = True
            signals.breaker_moved(self._model, BreakerState.HALF_OPEN.value)
            log.info("model_breaker_half_open", model=self._model)
        try:
            yield
        except _FAULTS as fault:
            # What was begun before it opened tells nothing new.
            if opened_at == self._opened_at:
                self._failed(fault.code, is_trial=is_trial)
            raise
        else:
            if opened_at == self._opened_at:
                self._succeeded()
        finally:
            self._on_trial = self._on_trial and not is_trial

    def _failed(self, code: str, *, is_trial: bool) -> None:
        self._failures += 1
        if is_trial or (self._opened_at is None and self._failures >= self._most_failures):
            self._opened_at = time.monotonic()
            signals.breaker_moved(self._model, BreakerState.OPEN.value)
            log.warning("model_breaker_open", model=self._model, error=code)

    def _succeeded(self) -> None:
        self._failures = 0
        if self._opened_at is not None:
            self._opened_at = None
            signals.breaker_moved(self._model, BreakerState.CLOSED.value)
            log.info("model_breaker_closed", model=self._model)
