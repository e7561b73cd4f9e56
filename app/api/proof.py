"""By what a request proves its caller: an access token or an API key in a header, or the page's cookie."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from starlette.datastructures import Headers
from starlette.types import Scope

from app import signals
from app.accounts.keys import PREFIX, key_credential
from app.api.page_cookie import check_own_page, page_of
from app.api.scopes import Need, check_need, check_scope
from app.errors import NotAuthenticated
from app.persistence.credentials import Caller, Proof

if TYPE_CHECKING:
    from app.api.deps import State


def proof_of(scope: Scope, *, of_page: bool = True) -> Proof:
    """What a header says, or else, `of_page`, the page's cookie; whether it still holds is seen later.

    Raise NotAuthenticated for none, for two that differ, and for what cannot be ours; CsrfRefused for a cookie that the page did not send.
    """
    given = {*_given(Headers(scope=scope))}
    if len(given) > 1:
        raise NotAuthenticated("Authorization and x-api-key say different things.")
    if given:
        return _proof(scope, *given.pop())
    if of_page and (page := page_of(scope)):
        check_own_page(scope)
        return page
    raise NotAuthenticated


def admitted(scope: Scope, caller: Caller, need: Need | None = None) -> Caller:
    """Let them in, and remember that their key was used; raise ScopeMissing. `need` is of what has no route of the API's."""
    check_need(need, caller) if need else check_scope(scope, caller)
    cast("State", scope["state"])["access"].uses.note(caller)
    return caller


def _given(headers: Headers) -> Iterator[tuple[str, bool]]:
    """Each secret, and whether it must be a key. Other schemes than Bearer are a proxy's business."""
    for value in headers.getlist("authorization"):
        scheme, _, secret = value.partition(" ")
        if scheme.lower() == "bearer":
            yield secret.strip(), secret.strip().startswith(PREFIX)
    for value in headers.getlist("x-api-key"):
        yield value.strip(), True


def _proof(scope: Scope, secret: str, is_key: bool) -> Proof:
    if not is_key:
        return cast("State", scope["state"])["users"].credential_of(secret)
    if key := key_credential(secret):
        return key
    signals.token_refused("invalid")
    raise NotAuthenticated
