"""What goes wrong at any provider, in our words: each SDK has an exception tree of its own, and none of its words may reach a user."""

from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import structlog
from langchain_core import exceptions as langchain

from app.errors import (
    AppError,
    ModelAuthFailed,
    ModelBadAnswer,
    ModelError,
    ModelForbidden,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
)

# What LangChain's newer classes say of an error, and what others say by its kind; most specific first.
_KINDS: Final[tuple[tuple[type[Exception], type[ModelError]], ...]] = (
    (langchain.ModelTimeoutError, ModelTimeout),
    (TimeoutError, ModelTimeout),
    (langchain.ModelConnectionError, ModelUnavailable),
    (langchain.ModelRateLimitError, ModelRateLimited),
    (langchain.ModelAuthenticationError, ModelAuthFailed),
    (langchain.ModelPermissionDeniedError, ModelForbidden),
    (langchain.ModelAPIError, ModelUnavailable),
    (langchain.ModelInvalidRequestError, ModelRejected),
    (langchain.ModelNotFoundError, ModelRejected),
    (langchain.ContextOverflowError, ModelRejected),
    (ConnectionError, ModelUnavailable),
)
_STATUSES: Final[dict[int, type[ModelError]]] = {
    HTTPStatus.UNAUTHORIZED: ModelAuthFailed,
    HTTPStatus.FORBIDDEN: ModelForbidden,
    HTTPStatus.REQUEST_TIMEOUT: ModelTimeout,
    HTTPStatus.CONFLICT: ModelUnavailable,
    HTTPStatus.TOO_MANY_REQUESTS: ModelRateLimited,
}
_MOST_DIGITS: Final = 9
# httpx, httpx2, aiohttp and gRPC share no class, only their habit of naming.
_NAMES: Final = (("Timeout", ModelTimeout), ("Connect", ModelUnavailable), ("Network", ModelUnavailable))

log = structlog.get_logger()


@contextmanager
def provider_errors() -> Generator[None]:
    """Raise a ModelError for whatever a provider's class raises; an AppError passes."""
    try:
        yield
    except AppError:
        raise
    except Exception as error:  # what a provider's package may raise, nobody has listed
        retry_after = _retry_after_seconds(error)
        ours = _kind(error)
        # The kind alone: its words may be the user's. That the call failed is the warning of who made it.
        log.info("provider_failed", kind=type(error).__qualname__, error=ours.code)
        raise (ours() if retry_after is None else ours(retry_after=retry_after)) from error


def _kind(error: Exception) -> type[ModelError]:
    if known := next((ours for foreign, ours in _KINDS if isinstance(error, foreign)), None):
        return known
    status = _status(error)
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= HTTPStatus.BAD_REQUEST:
        return ModelRejected if status < HTTPStatus.INTERNAL_SERVER_ERROR else ModelUnavailable
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    return next((ours for part, ours in _NAMES if part in names), ModelBadAnswer)


def _status(error: Exception) -> int:
    """The HTTP status, where the SDK tells it; an error in the middle of a stream comes with 200 or with none."""
    response = getattr(error, "response", None)
    told = (getattr(error, "status_code", None), getattr(error, "code", None), getattr(response, "status_code", None))
    return next((status for status in told if isinstance(status, int)), 0)


def _retry_after_seconds(error: Exception) -> int | None:
    """The provider's own wish (RFC 9110, 10.2.3), when it is a number of seconds."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    wish = headers.get("retry-after", "") if headers is not None else ""
    return int(wish) if isinstance(wish, str) and wish.isdecimal() and len(wish) <= _MOST_DIGITS else None
