"""Checkpoints, and what waits to be exported."""

from contextlib import ExitStack

from app import signals
from app.observability import metrics
from app.observability.children import Children
from app.observability.hearing.ear import hear
from app.signals import sampled

_waiting = Children(metrics.TRACE_QUEUE)


def listen(ears: ExitStack) -> None:
    hear(ears, signals.checkpoints_written, _checkpoints_written)
    hear(ears, signals.checkpoint_read, _checkpoint_read)
    hear(ears, signals.checkpoints_pruned, _checkpoints_pruned)
    hear(ears, sampled.traces_waiting, _traces_waiting)


def _checkpoints_written(checkpoints: int, bytes_: int, seconds: float) -> None:
    metrics.CHECKPOINTS_WRITTEN.inc(checkpoints)
    metrics.CHECKPOINT_BYTES.inc(bytes_)
    metrics.CHECKPOINT_WRITE_SECONDS.observe(seconds)


def _checkpoint_read(seconds: float) -> None:
    metrics.CHECKPOINT_READ_SECONDS.observe(seconds)


def _checkpoints_pruned(checkpoints: int) -> None:
    metrics.CHECKPOINTS_PRUNED.inc(checkpoints)


def _traces_waiting(backend: str, spans: int) -> None:
    _waiting(backend).set(spans)
