"""What watchers are told of runs: that they begin, and once of each how it ended."""

from datetime import UTC, datetime

from app import signals
from app.agent.approval import asked_call
from app.errors import AppError, AttemptsExhausted, RunCancelled
from app.errors.outcomes import outcome_of
from app.persistence.turn_values import QueuedRun
from app.persistence.values import Claim, RunStatus, TakenRun
from app.runs.ending import status_of
from app.runs.walk import LiveRun


def tell_claimed(claim: Claim) -> None:
    signals.run_started(claim.agent)
    if claim.held:
        signals.quota_moved("reserved")


def tell_attempt(taken: TakenRun) -> None:
    if taken.recovered:
        signals.run_recovered(taken.agent)
    signals.attempt_begun(taken.agent, taken.attempt, taken.waited_seconds)


def tell_end(run: LiveRun, error: AppError | None) -> None:
    """Called by who has written the end, and by nobody else."""
    taken, status = run.taken, status_of(run, error)
    first = run.story.first_token_at
    signals.run_ended(
        taken.agent,
        outcome_of(type(error)) if error else status.value,
        error.code if error else "",
        _seconds(taken.accepted_at, datetime.now(UTC)),
        _seconds(taken.accepted_at, first) if first else None,
    )
    if isinstance(error, AttemptsExhausted):
        signals.attempts_exhausted(taken.agent)
    if taken.held:
        signals.quota_moved("settled")
    for question in run.questions if status is RunStatus.INTERRUPTED else ():
        # Here and not where it is asked: a step that asks is made again when its process dies, and people see what was written.
        if call := asked_call(question.value):
            signals.approval_asked(call["tool"])


def tell_never_begun(queued: QueuedRun) -> None:
    """Of one that was stopped while it waited."""
    signals.events_ended(1)
    signals.run_ended(queued.agent, outcome_of(RunCancelled), RunCancelled.code, queued.age_seconds, None)
    if queued.is_held:
        signals.quota_moved("released")


def _seconds(since: datetime, until: datetime) -> float:
    """Not less than none, be it that a clock was set."""
    return max((until - since).total_seconds(), 0.0)
