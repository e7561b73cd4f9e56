"""What an error makes of the run that it ends: a fault that somebody should know of, or what a limit or a policy is there for."""

from collections.abc import Mapping
from typing import Final, Literal

from app.errors import access, kinds, limits, models
from app.errors.base import AppError

type Outcome = Literal["cancelled", "refused", "failed"]

# An error without a line of its own has its nearest ancestor's; whoever adds one that has none but AppError must say here which it is.
# Who counts faults, and is called at night for them, counts those that are `failed`: ours, and those of the providers that we chose.
OUTCOMES: Final[Mapping[type[AppError], Outcome]] = {
    AppError: "failed",
    kinds.InvalidInput: "refused",
    kinds.BodyTooLarge: "refused",
    kinds.BodyTooSlow: "refused",
    kinds.UnsupportedMediaType: "refused",
    kinds.NotAuthenticated: "refused",
    kinds.InvalidCredentials: "refused",
    kinds.OriginNotAllowed: "refused",
    kinds.NotFound: "refused",
    kinds.MethodNotAllowed: "refused",
    kinds.TurnTooOld: "refused",
    kinds.InvalidAnswer: "refused",
    kinds.InterruptExpired: "refused",
    kinds.EventsExpired: "refused",
    kinds.WrongPassword: "refused",
    kinds.AdminOnly: "refused",
    kinds.OwnAccount: "refused",
    kinds.UnknownTier: "refused",
    kinds.TooManyWebhooks: "refused",
    kinds.WebhookIsOff: "refused",
    kinds.EmailTaken: "refused",
    kinds.SessionBusy: "refused",
    kinds.IdempotencyKeyReused: "refused",
    kinds.UnknownModel: "refused",
    kinds.UnknownAgent: "refused",
    kinds.Unavailable: "failed",
    kinds.WebhooksOff: "refused",
    kinds.DatabaseRefused: "failed",
    kinds.StepLimitReached: "refused",
    kinds.CostLimitReached: "refused",
    # As a rule it is a provider that took the time, or we.
    kinds.RunTimeout: "failed",
    kinds.RunCancelled: "cancelled",
    kinds.RunLost: "failed",
    kinds.AttemptsExhausted: "failed",
    kinds.SettingsInvalid: "failed",
    kinds.MigrationFailed: "failed",
    access.ScopeMissing: "refused",
    access.TooManyApiKeys: "refused",
    access.LoginTooOld: "refused",
    access.CsrfRefused: "refused",
    access.InvalidRefreshToken: "refused",
    access.TooManyAttempts: "refused",
    access.VerificationNeeded: "refused",
    access.LinkInvalid: "refused",
    access.MailRefused: "failed",
    access.SignInFailed: "refused",
    access.EmailUnverified: "refused",
    access.AccountExists: "refused",
    access.ProviderBadAnswer: "failed",
    limits.RateLimited: "refused",
    limits.QuotaExceeded: "refused",
    limits.TooManyRuns: "refused",
    limits.ModelNotAllowed: "refused",
    limits.AttachmentSpaceFull: "refused",
    # That a request is not taken is a fault too: a person's words alone do not make one unfit.
    models.ModelError: "failed",
    models.ModelRefused: "refused",
    models.AnswerWithheld: "refused",
    models.ContentHookFailed: "failed",
}


def outcome_of(error: type[AppError]) -> Outcome:
    return next(OUTCOMES[ancestor] for ancestor in error.__mro__ if ancestor in OUTCOMES)
