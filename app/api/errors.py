"""Errors on the wire: the one table from our errors to statuses, as problem documents (RFC 9457)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app import errors, signals
from app.api.limits.charging import tell_refusal
from app.errors import AppError
from app.text import storable

PROBLEM_JSON: Final = "application/problem+json"
# Whatever is answered here, a browser shows to somebody: our page has words for it.
_SHOWN: Final = "/api/v1/auth/oidc/"

# An error without a line of its own has its nearest ancestor's.
STATUSES: Final[Mapping[type[AppError], int]] = {
    AppError: 500,
    errors.InvalidInput: 422,
    errors.BodyTooLarge: 413,
    errors.BodyTooSlow: 408,
    errors.UnsupportedMediaType: 415,
    errors.NotAuthenticated: 401,
    errors.InvalidCredentials: 401,
    errors.InvalidRefreshToken: 401,
    errors.TooManyAttempts: 429,
    errors.VerificationNeeded: 403,
    errors.LinkInvalid: 410,
    errors.WrongPassword: 403,
    errors.OriginNotAllowed: 403,
    errors.AdminOnly: 403,
    errors.OwnAccount: 409,
    errors.UnknownTier: 422,
    errors.ScopeMissing: 403,
    errors.CsrfRefused: 403,
    errors.LoginTooOld: 403,
    errors.SignInFailed: 401,
    errors.EmailUnverified: 403,
    errors.AccountExists: 409,
    errors.ProviderBadAnswer: 502,
    errors.TooManyApiKeys: 409,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.EventsExpired: 410,
    errors.InterruptExpired: 410,
    errors.TurnTooOld: 410,
    errors.InvalidAnswer: 422,
    errors.EmailTaken: 409,
    errors.TooManyWebhooks: 409,
    errors.WebhookIsOff: 409,
    errors.SessionBusy: 409,
    errors.IdempotencyKeyReused: 422,
    errors.UnknownModel: 422,
    errors.UnknownAgent: 422,
    errors.RateLimited: 429,
    errors.QuotaExceeded: 429,
    errors.TooManyRuns: 429,
    errors.ModelNotAllowed: 403,
    errors.AttachmentSpaceFull: 403,
    errors.Unavailable: 503,
    errors.MailRefused: 502,
    errors.ModelError: 502,
    errors.ModelUnavailable: 503,
    errors.ModelRateLimited: 503,
    errors.ModelTimeout: 504,
    errors.ModelRefused: 422,
    errors.AnswerWithheld: 422,
    errors.ContentHookFailed: 503,
    errors.StepLimitReached: 502,
    errors.CostLimitReached: 502,
    errors.RunTimeout: 504,
    errors.RunCancelled: 409,
    errors.RunLost: 503,
    errors.AttemptsExhausted: 502,
}

# What the framework refuses by itself.
_FRAMEWORK_ERRORS: Final[Mapping[int, type[AppError]]] = {404: errors.NotFound, 405: errors.MethodNotAllowed, 413: errors.BodyTooLarge}
_TOO_MANY: Final = 429
_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


class Problem(BaseModel):
    """What every error looks like; `code` is the part to program against."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, str]] | None = None
    retry_after: int | None = None
    limit: float | None = None
    limit_name: str | None = None
    tier: str | None = None
    resets_at: str | None = None
    active_run_id: str | None = None


def status_of(error: type[AppError]) -> int:
    return next(STATUSES[ancestor] for ancestor in error.__mro__ if ancestor in STATUSES)


def is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def problems(*kinds: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may raise these, each code with an example.

    The schema is named, not handed over as a `model`: FastAPI would make a validator of it for each status of each route, which took
    half of a server's start, and would call it plain JSON.
    """
    documented: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        content = {PROBLEM_JSON: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}, "examples": {}}}
        answer = documented.setdefault(status_of(kind), {"description": "", "content": content})
        answer["description"] = ", ".join(filter(None, (answer["description"], f"`{kind.code}`")))
        answer["content"][PROBLEM_JSON]["examples"][kind.code] = {"value": _document(kind(), "/api/v1/…", "0198…")}
    return documented


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def problem(error: AppError, instance: str, request_id: str) -> JSONResponse:
    """The answer, which counts as one."""
    tell_limit(error)
    headers = {"Retry-After": str(error.extra["retry_after"])} if "retry_after" in error.extra else {}
    if status_of(type(error)) == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = "Bearer"
    document = _document(error, instance, request_id)
    return JSONResponse(document, status_code=document["status"], headers=headers, media_type=PROBLEM_JSON)


def tell_limit(error: AppError) -> None:
    """That somebody was refused for how much they ask, wherever that becomes an answer."""
    if status_of(type(error)) == _TOO_MANY:
        signals.limited(_limit_of(error), str(error.extra.get("tier", "")))


def _limit_of(error: AppError) -> str:
    if isinstance(error, errors.TooManyAttempts):
        return "login"
    # An address has several windows and kinds of requests: "address-minute login".
    return str(error.extra.get("limit_name", error.code)).partition("-")[0]


def _document(error: AppError, instance: str, request_id: str) -> dict[str, Any]:
    faults = error.faults if isinstance(error, errors.InvalidInput) else ()
    return {
        "type": f"urn:milepost:problem:{error.code}",
        "title": error.title,
        "status": status_of(type(error)),
        "code": error.code,
        "detail": error.detail,
        "instance": instance,
        "request_id": request_id,
        **error.extra,
        **({"errors": [{"field": field, "message": message} for field, message in faults]} if faults else {}),
    }


def _answer(request: Request, error: AppError) -> JSONResponse:
    return problem(error, request.url.path, request.scope.get("request_id", ""))


async def _app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101  # registered for this class
    if request.url.path.startswith(_SHOWN) and "text/html" in request.headers.get("accept", ""):
        tell_limit(error)
        return RedirectResponse(f"/#/sign-in/{error.code}", status_code=303, headers={"Cache-Control": "no-store"})
    tell_refusal(request.scope, error)
    return _answer(request, error)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class
    if not is_json(request.headers.get("content-type", "")) and any(map(_is_unread, error.errors())):
        return _answer(request, errors.UnsupportedMediaType("This takes JSON: send it with Content-Type: application/json."))
    # Once each, as it lists them: a route and what it depends on may both have read the same body.
    faults = [*map(_fault, error.errors())]
    return _answer(request, errors.InvalidInput(_of_whole(faults), faults=faults))


def _is_unread(error: Mapping[str, Any]) -> bool:
    """Whether it is said of a body that was left as bytes, for it does not come as JSON."""
    return tuple(error["loc"]) == ("body",) and isinstance(error.get("input"), bytes)


def _fault(error: Mapping[str, Any]) -> tuple[str, str]:
    """The field, and what is wrong with it."""
    place: Sequence[object] = error["loc"]
    if error["type"] == "json_invalid":  # the last part is then no field
        return "body", f"is not JSON (at character {place[-1]})"
    # The first part says where: body, query, path or header.
    field = storable(".".join(map(str, place[1:] or place)))
    return field, error["msg"].removeprefix("Value error, ")


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class
    kind = _FRAMEWORK_ERRORS.get(error.status_code)
    answer = _answer(
        request, kind() if kind else errors.InvalidInput(_of_whole(faults := [("body", _unreadable(error.__cause__))]), faults=faults)
    )
    answer.headers.update(error.headers or {})
    if "Allow" in answer.headers:
        answer.headers["Allow"] = ", ".join(_allowed(request))
    return answer


def _of_whole(faults: Sequence[tuple[str, str]]) -> str | None:
    """The reason itself, where it is that of the body or the query as a whole, and in our words."""
    [(whole, reason), *others] = faults
    if others or whole not in {"body", "query"} or reason[0].isupper():
        return None
    return f"The {whole} {reason}." if reason.startswith("is ") else f"The {whole} is not valid: {reason}."


def _unreadable(cause: BaseException | None) -> str:
    match cause:
        case UnicodeDecodeError():
            return "is not UTF-8"
        case RecursionError():
            return "is nested too deep"
        case _:
            return "cannot be read"


def _allowed(request: Request) -> list[str]:
    """Every method that the address takes (RFC 9110, 15.5.6); Starlette names those of the first route that has the path."""
    routes = request.app.router.routes

    def takes(method: str) -> bool:
        return any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)

    return [method for method in _METHODS if takes(method)]
