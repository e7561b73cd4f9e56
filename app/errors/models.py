"""What the providers of models do wrong, and what keeps their answers from people."""

from app.errors.base import AppError


class ModelError(AppError):
    """The model's provider let us down; the subclasses say how."""

    code = "model_failed"
    title = "The model did not answer"


class ModelUnavailable(ModelError):
    code = "model_unavailable"
    title = "The model's provider is not available"
    retryable = True


class ModelRateLimited(ModelError):
    code = "model_rate_limited"
    title = "The model's provider is limiting our requests"
    retryable = True


class ModelTimeout(ModelError):
    code = "model_timeout"
    title = "The model took too long to answer"
    retryable = True


class ModelAuthFailed(ModelError):
    code = "model_auth_failed"
    title = "The model's provider refused our credentials"


class ModelForbidden(ModelError):
    code = "model_forbidden"
    title = "The model's provider does not let this server use the model"


class ModelRejected(ModelError):
    code = "model_rejected"
    title = "The model's provider refused the request"


class ModelRefused(ModelError):
    code = "model_refused"
    title = "The model declined to answer this"


class AnswerWithheld(AppError):
    """A content hook of this server's let nobody see it; `notice` is shown in its place."""

    code = "answer_withheld"
    title = "The answer went against this server's rules for content"
    notice = "This answer was withheld."


class ContentHookFailed(AppError):
    code = "content_hook_failed"
    title = "What looks at content before it is shown has failed"
    retryable = True


class ModelBadAnswer(ModelError):
    code = "model_bad_answer"
    title = "The model's answer broke off or made no sense"
    retryable = True
