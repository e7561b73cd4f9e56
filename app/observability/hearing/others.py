"""Accounts, what goes out, and what is done in the background."""

from contextlib import ExitStack

from app import signals
from app.observability import metrics
from app.observability.children import Children
from app.observability.hearing.ear import hear

_logins = Children(metrics.LOGINS)
_refused = Children(metrics.TOKENS_REFUSED)
_lockouts = Children(metrics.LOCKOUTS)
_deliveries = Children(metrics.WEBHOOK_DELIVERIES)
_mails = Children(metrics.MAILS)
_jobs = Children(metrics.JOBS)
_job_seconds = Children(metrics.JOB_SECONDS)
_spans = Children(metrics.TRACE_SPANS)


def listen(ears: ExitStack) -> None:
    hear(ears, signals.signed_in, lambda method, outcome: _logins(method, outcome).inc())
    hear(ears, signals.token_refused, lambda reason: _refused(reason).inc())
    hear(ears, signals.refresh_token_reused, metrics.REFRESH_REUSED.inc)
    hear(ears, signals.locked_out, lambda by: _lockouts(by).inc())
    hear(ears, signals.webhook_delivered, lambda outcome: _deliveries(outcome).inc())
    hear(ears, signals.webhook_switched_off, metrics.WEBHOOKS_OFF.inc)
    hear(ears, signals.mail_sent, lambda outcome: _mails(outcome).inc())
    hear(ears, signals.job_done, _job_done)
    hear(ears, signals.traces_exported, lambda backend, outcome, spans: _spans(backend, outcome).inc(spans))


def _job_done(task: str, outcome: str, seconds: float) -> None:
    _jobs(task, outcome).inc()
    _job_seconds(task).observe(seconds)
