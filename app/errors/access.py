"""What keeps somebody out who is not simply unknown."""

from app.errors.base import AppError
from app.errors.kinds import NotFound, Unavailable


class ScopeMissing(AppError):
    """The key is good, and not for this: it is no 401."""

    code = "scope_missing"
    title = "The API key may not do this"


class ApiKeyNotFound(NotFound):
    code = "api_key_not_found"
    title = "There is no such API key"


class TooManyApiKeys(AppError):
    code = "too_many_api_keys"
    title = "There are as many API keys as the user's tier may have"


class LoginTooOld(AppError):
    """A token alone does not show that it is really them: a password would, or logging in again."""

    code = "login_too_old"
    title = "This takes a login of the last ten minutes"


class CsrfRefused(AppError):
    """The cookie is good, and nothing shows that the page itself sent it."""

    code = "csrf_refused"
    title = "The page's cookie came without proof that the page sent it"


class InvalidRefreshToken(AppError):
    code = "invalid_refresh_token"
    title = "The refresh token is not good, or not any more"


class TooManyAttempts(AppError):
    """Not even the right password is looked at before `retry_after` seconds are over."""

    code = "too_many_attempts"
    title = "There were too many wrong passwords"
    retryable = True


class VerificationNeeded(AppError):
    """The password is right, and the operator wants more than that."""

    code = "verification_needed"
    title = "Open the link in the mail to you first"


class LinkInvalid(AppError):
    code = "link_invalid"
    title = "This link is not good, or not any more"


class LoginNotFound(NotFound):
    code = "login_not_found"
    title = "There is no such login"


class LimitsUnavailable(Unavailable):
    """The operator wants nothing let through uncounted."""

    code = "limits_unavailable"
    title = "Requests cannot be counted now"


class MailUnavailable(Unavailable):
    code = "mail_unavailable"
    title = "The mail server did not take the mail"


class MailRefused(AppError):
    code = "mail_refused"
    title = "The mail server does not take this mail"


class SignInFailed(AppError):
    """Said of whatever a provider's answer lacks: what exactly is for the log."""

    code = "sign_in_failed"
    title = "Signing in elsewhere did not succeed"


class EmailUnverified(AppError):
    code = "email_unverified"
    title = "The provider does not vouch for the email address"


class AccountExists(AppError):
    """No account is handed over because of an email alone."""

    code = "account_exists"
    title = "There is an account with this email already"


class ProviderUnavailable(Unavailable):
    code = "provider_unavailable"
    title = "The sign-in provider is not answering"


class ProviderBadAnswer(AppError):
    code = "provider_bad_answer"
    title = "The sign-in provider's answer made no sense"
