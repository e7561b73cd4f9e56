"""What callers may do, but not now, not so much, or not with their tier."""

from app.errors.base import AppError


class RateLimited(AppError):
    code = "rate_limited"
    title = "Too many requests in too short a time"
    retryable = True


class QuotaExceeded(AppError):
    """`limit_name` says which quota, `resets_at` when it begins anew."""

    code = "quota_exceeded"
    title = "The tokens or the money of your tier are used up"
    retryable = True


class TooManyRuns(AppError):
    code = "too_many_runs"
    title = "As many answers are being made for you as your tier may have at once"
    retryable = True


class ModelNotAllowed(AppError):
    code = "model_not_allowed"
    title = "Your tier may not use this model"


class AttachmentSpaceFull(AppError):
    code = "attachment_space_full"
    title = "Your attachments fill the space that your tier has for them"
