"""What callers do wrong, what is not there, and what becomes of runs and servers."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from app.errors.base import AppError

# More would be told to nobody's use, and a megabyte of unknown members would be answered with two.
_MOST_FAULTS: Final = 50
_LONGEST_FIELD: Final = 200


class InvalidInput(AppError):
    """`faults` are the fields that are not valid, each with what is wrong with it; they name themselves where no `detail` is given."""

    code = "invalid_input"
    title = "The request is not valid"

    def __init__(self, detail: str | None = None, *, faults: Iterable[tuple[str, str]] = (), **extra: str | int | float) -> None:
        told = islice(dict.fromkeys(faults), _MOST_FAULTS)
        self.faults: Sequence[tuple[str, str]] = [(field[:_LONGEST_FIELD], message) for field, message in told]
        fields = ", ".join(dict.fromkeys(field for field, _ in self.faults))
        super().__init__(detail or (f"Not valid: {fields}." if fields else None), **extra)


class BodyTooLarge(AppError):
    code = "body_too_large"
    title = "The request body is too large"


class BodyTooSlow(AppError):
    code = "body_too_slow"
    title = "The request body took too long to come"


class UnsupportedMediaType(AppError):
    code = "unsupported_media_type"
    title = "This is not taken in the form that it came in"


class NotAuthenticated(AppError):
    code = "not_authenticated"
    title = "A valid access token is needed"


class InvalidCredentials(AppError):
    code = "invalid_credentials"
    title = "Email or password is wrong"


class OriginNotAllowed(AppError):
    code = "origin_not_allowed"
    title = "This page may not call the server"


class NotFound(AppError):
    code = "not_found"
    title = "There is nothing at this address"


class MethodNotAllowed(AppError):
    code = "method_not_allowed"
    title = "This address does not take that method"


class SessionNotFound(NotFound):
    code = "session_not_found"
    title = "There is no such session"


class MessageNotFound(NotFound):
    code = "message_not_found"
    title = "There is no such message"


class MemoryNotFound(NotFound):
    code = "memory_not_found"
    title = "There is no such memory"


class TurnTooOld(AppError):
    """What the agent knew when the turn began is no longer kept, and without it nothing can be said in its place."""

    code = "turn_too_old"
    title = "This turn is too old to be said again"


class InterruptNotFound(NotFound):
    code = "interrupt_not_found"
    title = "There is no such open question"


class InvalidAnswer(AppError):
    code = "invalid_answer"
    title = "The answer does not fit the question"


class InterruptExpired(AppError):
    code = "interrupt_expired"
    title = "It is too late to answer this question"


class BranchNotFound(NotFound):
    code = "branch_not_found"
    title = "There is no such branch"


class CheckpointNotFound(NotFound):
    code = "checkpoint_not_found"
    title = "There is no such checkpoint, or it is no longer kept"


class AttachmentNotFound(NotFound):
    code = "attachment_not_found"
    title = "There is no such attachment"


class EventsExpired(AppError):
    code = "events_expired"
    title = "The events of this run are no longer kept"


class RunNotFound(NotFound):
    code = "run_not_found"
    title = "There is no such run"


class WrongPassword(AppError):
    """Whoever has the token does not have the password; the token is good, so it is no 401."""

    code = "wrong_password"
    title = "The password is wrong"


class UserNotFound(NotFound):
    code = "user_not_found"
    title = "There is no such user"


class AdminOnly(AppError):
    code = "admin_only"
    title = "Only an administrator may do this"


class OwnAccount(AppError):
    code = "own_account"
    title = "Nobody takes their own rights away"


class UnknownTier(AppError):
    code = "unknown_tier"
    title = "There is no tier of this name"


class ExportNotFound(NotFound):
    code = "export_not_found"
    title = "No export was asked for, or it is no longer kept"


class WebhookNotFound(NotFound):
    code = "webhook_not_found"
    title = "There is no such webhook"


class DeliveryNotFound(NotFound):
    code = "delivery_not_found"
    title = "There is no such delivery, or it is no longer kept"


class TooManyWebhooks(AppError):
    """`limit` says how many there may be."""

    code = "too_many_webhooks"
    title = "There are as many webhooks as one may have"


class WebhookIsOff(AppError):
    code = "webhook_is_off"
    title = "The webhook is switched off"


class EmailTaken(AppError):
    code = "email_taken"
    title = "This email is already registered"


class SessionBusy(AppError):
    """Another run holds the session's turn; `active_run_id` says which."""

    code = "session_busy"
    title = "The session is answering another message"
    retryable = True


class IdempotencyKeyReused(AppError):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key came with another request before"


class UnknownModel(AppError):
    code = "unknown_model"
    title = "There is no model of this name"


class UnknownAgent(AppError):
    code = "unknown_agent"
    title = "There is no agent of this name"


class Unavailable(AppError):
    code = "unavailable"
    title = "The server cannot do this now"
    retryable = True


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    title = "The database is not answering"


class TracesUnavailable(Unavailable):
    code = "traces_unavailable"
    title = "The server of traces is not answering"


class DatabaseRefused(AppError):
    code = "database_refused"
    title = "The database refused what it was asked"


class WebhooksOff(Unavailable):
    code = "webhooks_off"
    title = "This server has no key for webhooks"
    retryable = False


class ServerBusy(Unavailable):
    code = "server_busy"
    title = "The server is working on as many runs as it may"


class ServerStopping(Unavailable):
    code = "server_stopping"
    title = "The server is shutting down"


class StepLimitReached(AppError):
    code = "step_limit_reached"
    title = "The answer needed more steps than a run may take"


class CostLimitReached(AppError):
    code = "cost_limit_reached"
    title = "The answer cost more than a run of this agent may cost"


class RunTimeout(AppError):
    code = "run_timeout"
    title = "The run took longer than a run may take"
    retryable = True


class RunCancelled(AppError):
    code = "run_cancelled"
    title = "The run was stopped before it had answered"
    retryable = True


class RunLost(AppError):
    """The process that owned the run died in the middle of it."""

    code = "run_lost"
    title = "The server stopped in the middle of this answer"
    retryable = True


class AttemptsExhausted(AppError):
    code = "attempts_exhausted"
    title = "The run failed each time it was taken up again"


class SettingsInvalid(AppError):
    """The settings cannot be used; `detail` has a line for each variable at fault, naming it, never its value."""

    code = "settings_invalid"
    title = "The settings are not valid"


class MigrationFailed(AppError):
    code = "migration_failed"
    title = "The database's schema could not be changed"
