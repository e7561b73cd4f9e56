"""Checkpoints, and what is looked up in the database now and then."""

from contextlib import ExitStack

from app import signals
from app.observability import metrics
from app.observability.children import Children
from app.observability.hearing.ear import hear
from app.signals import sampled

_rows = Children(metrics.TABLE_ROWS)
_bytes = Children(metrics.TABLE_BYTES)
_chores = Children(metrics.CHORE_DONE)


def listen(ears: ExitStack) -> None:
    hear(ears, signals.checkpoints_written, _checkpoints_written)
    hear(ears, signals.checkpoint_read, _checkpoint_read)
    hear(ears, signals.checkpoints_pruned, _checkpoints_pruned)
    hear(ears, sampled.runs_pending, _runs_pending)
    hear(ears, sampled.interrupts_open, _interrupts_open)
    hear(ears, sampled.remember_backlog, _remember_backlog)
    hear(ears, sampled.table_size, _table_size)
    hear(ears, sampled.jobs_waiting, _jobs_waiting)
    hear(ears, sampled.chore_done, lambda chore, at: _chores(chore).set(at))
    hear(ears, sampled.backup_done, _backup_done)
    hear(ears, sampled.schema_found, show_schema)
    hear(ears, sampled.traces_waiting, _traces_waiting)


def show_schema(found: str, needed: str) -> None:
    metrics.SCHEMA.clear()  # what was found before is no more
    metrics.SCHEMA.labels(found, needed).set(1)
    metrics.SCHEMA_DRIFT.set(found != needed)


def _checkpoints_written(checkpoints: int, bytes_: int, seconds: float) -> None:
    metrics.CHECKPOINTS_WRITTEN.inc(checkpoints)
    metrics.CHECKPOINT_BYTES.inc(bytes_)
    metrics.CHECKPOINT_WRITE_SECONDS.observe(seconds)


def _checkpoint_read(seconds: float) -> None:
    metrics.CHECKPOINT_READ_SECONDS.observe(seconds)


def _checkpoints_pruned(checkpoints: int) -> None:
    metrics.CHECKPOINTS_PRUNED.inc(checkpoints)


def _runs_pending(runs: int, oldest_seconds: float) -> None:
    metrics.RUNS_PENDING.set(runs)
    metrics.RUNS_PENDING_OLDEST_SECONDS.set(oldest_seconds)


def _interrupts_open(questions: int, oldest_seconds: float) -> None:
    metrics.INTERRUPTS_OPEN.set(questions)
    metrics.INTERRUPTS_OLDEST_SECONDS.set(oldest_seconds)


def _remember_backlog(sessions: int) -> None:
    metrics.REMEMBER_BACKLOG.set(sessions)


def _backup_done(at: float) -> None:
    metrics.BACKUP_DONE.set(at)


def _traces_waiting(spans: int) -> None:
    metrics.TRACE_QUEUE.set(spans)


def _table_size(table: str, rows: float, bytes_: int) -> None:
    _rows(table).set(rows)
    _bytes(table).set(bytes_)


def _jobs_waiting(jobs: int, oldest_seconds: float) -> None:
    metrics.JOBS_WAITING.set(jobs)
    metrics.JOBS_OLDEST_SECONDS.set(oldest_seconds)
