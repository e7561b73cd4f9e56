"""The gauges that a sample of the database sets.

While there is no sample they show none, and not what they showed last: nobody can know what waits then, and a count that stands still in
one process would outdo what the others see, for panels and rules take the largest of all. NaN gives way to any number there and passes no
threshold. What stays is what cannot become untrue: when a chore was last done, when a backup was noted, and when there was a sample last;
by this the alert for that very case goes.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from math import nan

from prometheus_client import Gauge

from app import signals
from app.observability import metrics
from app.signals import sampled
from app.signals.sample import Sample, Waiting, Work

_OF_MOMENTS = (
    *(metrics.RUNS_PENDING, metrics.RUNS_PENDING_OLDEST_SECONDS, metrics.INTERRUPTS_OPEN, metrics.INTERRUPTS_OLDEST_SECONDS),
    *(metrics.REMEMBER_BACKLOG, metrics.JOBS_WAITING, metrics.JOBS_OLDEST_SECONDS),
)
_OF_TABLES = (metrics.TABLE_ROWS, metrics.TABLE_BYTES)


@contextmanager
def showing_samples() -> Generator[None]:
    """Show what is sampled as long as this is open; before the first sample nothing is known, not even that there was no backup."""
    show(None)
    for gauge in (metrics.BACKUP_DONE, metrics.SAMPLED_AT):
        gauge.set(nan)
    with signals.database_sampled.heard_by(show), sampled.schema_seen.heard_by(show_schema):
        yield


def show(sample: Sample | None) -> None:
    for gauge in _OF_TABLES:
        gauge.clear()
    if sample is None:
        _forget_work()
        metrics.SCHEMA.clear()
        metrics.SCHEMA_DRIFT.set(nan)
        return
    metrics.SAMPLED_AT.set(time.time())
    show_schema(sample.schema_found, sample.schema_needed)
    for name, size in sample.tables.items():
        metrics.TABLE_ROWS.labels(name).set(size.rows)
        metrics.TABLE_BYTES.labels(name).set(size.bytes)
    if sample.work:
        _show_work(sample.work)
    else:
        _forget_work()


def show_schema(found: str, needed: str) -> None:
    """By a sample, or by a probe of a server that takes none: one that is newer than the schema waits, and must not wait unseen."""
    metrics.SCHEMA.clear()
    metrics.SCHEMA.labels(found, needed).set(1)
    metrics.SCHEMA_DRIFT.set(found != needed)


def _show_work(work: Work) -> None:
    _show(work.runs, metrics.RUNS_PENDING, metrics.RUNS_PENDING_OLDEST_SECONDS)
    _show(work.questions, metrics.INTERRUPTS_OPEN, metrics.INTERRUPTS_OLDEST_SECONDS)
    _show(work.jobs, metrics.JOBS_WAITING, metrics.JOBS_OLDEST_SECONDS)
    metrics.REMEMBER_BACKLOG.set(work.unread)
    metrics.BACKUP_DONE.set(work.backup)
    for chore, done in work.done.items():
        metrics.CHORE_DONE.labels(chore).set(done)


def _forget_work() -> None:
    for gauge in _OF_MOMENTS:
        gauge.set(nan)


def _show(waiting: Waiting, count: Gauge, oldest: Gauge) -> None:
    count.set(waiting.count)
    oldest.set(waiting.oldest_seconds)
