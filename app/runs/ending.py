"""How a run ends: its last events, and its row."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.errors import AppError, RunCancelled
from app.persistence.values import Entry, EventBatch, FinishedRun, Question, RunStatus
from app.runs.events import Ended, Failed, Interrupted, QuotaPassed, RunEvent, encode
from app.runs.ledger import ledger_call
from app.runs.quotas import told_percent
from app.runs.walk import FIRST_ATTEMPT, LiveRun


def status_of(run: LiveRun, error: AppError | None) -> RunStatus:
    if error:
        return RunStatus.CANCELLED if isinstance(error, RunCancelled) else RunStatus.FAILED
    return RunStatus.INTERRUPTED if run.questions else RunStatus.COMPLETED


def last_events(run: LiveRun, error: AppError | None, expires_at: datetime) -> Sequence[RunEvent]:
    """What the run has cost, why it ended or what it asks, and its `end`."""
    status = status_of(run, error)
    why: list[RunEvent] = [_failed(error)] if error and status is RunStatus.FAILED else []
    asked = [Interrupted(id=one.id, value=one.value, schema=one.schema, expires_at=expires_at) for one in _asked(run, status)]
    return [run.story.usage(), *_passed(run), *why, *asked, Ended(status=status, message_id=str(run.taken.message_id))]


def finished_run(run: LiveRun, error: AppError | None, batch: EventBatch, expires_at: datetime) -> FinishedRun:
    """The row's end, with all events that are not written yet."""
    usage, status = run.story.usage(), status_of(run, error)
    return FinishedRun(
        id=run.id,
        attempt=run.log.attempt,
        message_id=run.taken.message_id,
        model=usage.model,
        status=status,
        error_code=error.code if error else None,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_tokens=usage.cached_tokens,
        cost_usd=usage.cost_usd,
        first_token_at=run.story.first_token_at,
        checkpoint=run.bench.place.latest,
        kept_from=run.story.kept_from,
        questions=_asked(run, status),
        expires_at=expires_at,
        calls=[*map(ledger_call, run.story.calls)],
        counted=run.taken.held is not None,
        told=told_percent(_passed(run)),
        events=batch.entries,
        **run.story.transcript(waits=status is RunStatus.INTERRUPTED),
    )


def never_begun(run_id: UUID, message_id: UUID) -> FinishedRun:
    """The end of a run that was stopped while it waited."""
    end = Ended(status=RunStatus.CANCELLED, message_id=str(message_id))
    entry = Entry(1, Ended.type, encode(end))
    return FinishedRun(
        id=run_id, attempt=FIRST_ATTEMPT, message_id=message_id, status=RunStatus.CANCELLED, error_code=RunCancelled.code, events=[entry]
    )


def _asked(run: LiveRun, status: RunStatus) -> Sequence[Question]:
    return run.questions if status is RunStatus.INTERRUPTED else ()


def _passed(run: LiveRun) -> Sequence[QuotaPassed]:
    return run.watch.passed(run.story.usage()) if run.watch else ()


def _failed(error: AppError) -> Failed:
    seconds = error.extra.get("retry_after")
    return Failed(
        code=error.code, detail=error.detail, retryable=error.retryable, retry_after=seconds if isinstance(seconds, int) else None
    )
