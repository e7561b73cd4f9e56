"""What providers answer instead of an answer, in our words."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

import aiohttp
import httpx2
import openai

from app.errors import (
    ModelAuthFailed,
    ModelBadAnswer,
    ModelError,
    ModelForbidden,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
)

_BY_STATUS: Final[Mapping[int, type[ModelError]]] = {
    401: ModelAuthFailed,
    403: ModelForbidden,
    408: ModelTimeout,
    409: ModelUnavailable,
    429: ModelRateLimited,
}
_FIRST_CLIENT_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500
_MOST_DIGITS: Final = 10

# Most specific first: timeouts are connection errors to both libraries.
_TRANSLATIONS: Final[tuple[tuple[type[Exception], type[ModelError]], ...]] = (
    (openai.APITimeoutError, ModelTimeout),
    (TimeoutError, ModelTimeout),
    (httpx2.TimeoutException, ModelTimeout),
    (openai.APIConnectionError, ModelUnavailable),
    (aiohttp.ClientError, ModelUnavailable),
    (ConnectionError, ModelUnavailable),
    (openai.OpenAIError, ModelBadAnswer),
    (httpx2.HTTPError, ModelBadAnswer),
    # What we and LangChain trip over in a line that is no JSON, or JSON of another shape.
    (ValueError, ModelBadAnswer),
    (TypeError, ModelBadAnswer),
    (LookupError, ModelBadAnswer),
    (AttributeError, ModelBadAnswer),
)
_FOREIGN: Final = tuple(foreign for foreign, _ in _TRANSLATIONS)


def error_of_status(status: int, retry_after: int | None = None) -> ModelError:
    """`retry_after` is in seconds, the provider's own wish."""
    if status >= _FIRST_SERVER_ERROR:
        kind: type[ModelError] = ModelUnavailable
    elif status >= _FIRST_CLIENT_ERROR:
        kind = _BY_STATUS.get(status, ModelRejected)
    else:
        kind = ModelBadAnswer  # a redirect, say: no answer lives there
    return kind() if retry_after is None else kind(retry_after=retry_after)


def retry_after_seconds(headers: Mapping[str, str]) -> int | None:
    """How long the provider wants us to wait (RFC 9110, 10.2.3), when it is a number of seconds."""
    wish = headers.get("retry-after", "")
    return int(wish) if wish.isdecimal() and len(wish) < _MOST_DIGITS else None


@contextmanager
def model_errors() -> Generator[None]:
    """Raise a ModelError for whatever goes wrong on the way to the provider, there, or with what it says."""
    try:
        yield
    except _FOREIGN as error:
        raise _translated(error) from error


def _translated(error: Exception) -> ModelError:
    if isinstance(error, openai.APIStatusError):
        return error_of_status(error.status_code, retry_after_seconds(error.response.headers))
    return next(ours for foreign, ours in _TRANSLATIONS if isinstance(error, foreign))()
