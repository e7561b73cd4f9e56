"""Runs, and the log of their events."""

from contextlib import ExitStack

from app import signals
from app.observability import metrics
from app.observability.children import Children
from app.observability.hearing.ear import hear

_started = Children(metrics.RUNS_STARTED)
_finished = Children(metrics.RUNS_FINISHED)
_seconds = Children(metrics.RUN_SECONDS)
_first_tokens = Children(metrics.RUN_FIRST_TOKEN_SECONDS)
_queued = Children(metrics.RUN_QUEUE_SECONDS)
_recovered = Children(metrics.RUNS_RECOVERED)
_handed_back = Children(metrics.RUNS_HANDED_BACK)
_exhausted = Children(metrics.RUNS_EXHAUSTED)


def listen(ears: ExitStack) -> None:
    hear(ears, signals.run_started, lambda agent: _started(agent).inc())
    hear(ears, signals.attempt_begun, _attempt_begun)
    hear(ears, signals.run_ended, _run_ended)
    hear(ears, signals.run_recovered, lambda agent: _recovered(agent).inc())
    hear(ears, signals.run_handed_back, lambda agent: _handed_back(agent).inc())
    hear(ears, signals.attempts_exhausted, lambda agent: _exhausted(agent).inc())
    hear(ears, signals.events_flushed, _events_flushed)
    hear(ears, signals.events_ended, _events_ended)
    hear(ears, signals.events_not_flushed, metrics.EVENT_FLUSHES_FAILED.inc)
    hear(ears, signals.events_replayed, _events_replayed)
    hear(ears, signals.event_gap, metrics.EVENT_GAPS.inc)


def _attempt_begun(agent: str, attempt: int, waited_seconds: float) -> None:  # noqa: ARG001  # the signal's
    _queued(agent).observe(waited_seconds)


def _run_ended(agent: str, outcome: str, error: str, seconds: float, first_token_seconds: float | None) -> None:
    _finished(agent, outcome, error).inc()
    _seconds(agent, outcome).observe(seconds)
    if first_token_seconds is not None:
        _first_tokens(agent).observe(first_token_seconds)


def _events_ended(events: int) -> None:
    metrics.EVENTS_APPENDED.inc(events)


def _events_replayed(events: int) -> None:
    metrics.EVENTS_REPLAYED.inc(events)


def _events_flushed(events: int, seconds: float) -> None:
    metrics.EVENTS_APPENDED.inc(events)
    metrics.EVENT_FLUSH_SECONDS.observe(seconds)
