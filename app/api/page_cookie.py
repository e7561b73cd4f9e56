"""The page's cookie: what it is called, and how a request shows that the page itself sent it.

A browser adds a cookie to what any page has it send. So a request with the cookie counts only if it comes from our own origin, and one that
changes something only with a header, which no form can send and no other origin may.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from app.errors import CsrfRefused
from app.persistence.credentials import PAGE_IDLE, PageCredential, hashed

if TYPE_CHECKING:
    from app.access import Access

CSRF_HEADER: Final = "X-Milepost-CSRF"
_MARK: Final = "1"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_SECRET: Final = 64
_NAME: Final = "milepost_page"
_ATTEMPT: Final = "milepost_sign_in"
_ATTEMPT_SECONDS: Final = 600
# By this prefix a browser takes it only from this very host, over TLS and for all its paths: no neighbour's page can plant one of its own.
_SECURE_NAME: Final = f"__Host-{_NAME}"


def page_of(scope: Scope) -> PageCredential | None:
    """What the cookie proves, wherever the request comes from; None without one."""
    secret = secret_of(scope)
    return PageCredential(hashed(secret)) if secret else None


def secret_of(scope: Scope) -> str:
    """The cookie as it came; empty for none, or one that cannot be ours."""
    name, _ = _name_and_path(scope)
    return _cookie(scope, name)


def check_own_page(scope: Scope) -> None:
    """Raise CsrfRefused unless it is the page itself that asks."""
    headers = Headers(scope=scope)
    if scope["method"] in _SAFE:
        if not _is_elsewhere(scope, headers):
            return
    elif headers.get(CSRF_HEADER) == _MARK and _is_own(scope, headers):
        return
    raise CsrfRefused


def keep_page(scope: Scope, response: Response, secret: str) -> None:
    name, path = _name_and_path(scope)
    seconds = int(PAGE_IDLE.total_seconds())
    response.set_cookie(name, secret, max_age=seconds, path=path, secure=is_secure(scope), httponly=True, samesite="strict")


def forget_page(scope: Scope, response: Response) -> None:
    name, path = _name_and_path(scope)
    response.delete_cookie(name, path=path, secure=is_secure(scope), httponly=True, samesite="strict")


def keep_attempt(scope: Scope, response: Response, secret: str) -> None:
    """Lax, for it is the provider's page that sends the browser back."""
    name, path = _of_attempt(scope)
    response.set_cookie(name, secret, max_age=_ATTEMPT_SECONDS, path=path, secure=is_secure(scope), httponly=True, samesite="lax")


def secret_of_attempt(scope: Scope) -> str:
    name, _ = _of_attempt(scope)
    return _cookie(scope, name)


def forget_attempt(scope: Scope, response: Response) -> None:
    name, path = _of_attempt(scope)
    response.delete_cookie(name, path=path, secure=is_secure(scope), httponly=True, samesite="lax")


def is_secure(scope: Scope) -> bool:
    """Whether cookies must not travel in the clear: told by the settings, for a proxy may speak TLS in front of us."""
    return scope["scheme"] == "https" or _access(scope).secure_cookies


def _cookie(scope: Scope, name: str) -> str:
    secret = cookie_parser("; ".join(Headers(scope=scope).getlist("cookie"))).get(name, "")
    return secret if len(secret) <= _LONGEST_SECRET else ""


def _of_attempt(scope: Scope) -> tuple[str, str]:
    return (f"__Host-{_ATTEMPT}", "/") if is_secure(scope) else (_ATTEMPT, "/api/v1/auth")


def _name_and_path(scope: Scope) -> tuple[str, str]:
    return (_SECURE_NAME, "/") if is_secure(scope) else (_NAME, "/api")


def _is_own(scope: Scope, headers: Headers) -> bool:
    """Browsers say so themselves, in words that no script can change; older ones at least name the origin."""
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    return _is_own_origin(scope, headers)


def _is_elsewhere(scope: Scope, headers: Headers) -> bool:
    """Of what changes nothing it is enough that no other page asks: an address may also have been typed."""
    if site := headers.get("sec-fetch-site"):
        return site not in {"same-origin", "none"}
    return "origin" in headers and not _is_own_origin(scope, headers)


def _is_own_origin(scope: Scope, headers: Headers) -> bool:
    ours = urlsplit(_access(scope).public_url).netloc or headers.get("host", "")
    with suppress(ValueError):  # no address at all
        return bool(ours) and urlsplit(headers.get("origin", "")).netloc == ours
    return False


def _access(scope: Scope) -> "Access":
    return cast("Access", scope["state"]["access"])
