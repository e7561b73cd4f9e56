"""Signing in with an account elsewhere; browsers come here, sent by the page and then by the provider."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse

from app.accounts.oidc.attempt import Attempt
from app.accounts.oidc.sign_in import Returned, SignIn
from app.accounts.signing_in import signing_in
from app.api.deps import AccessDep, OriginDep
from app.api.errors import problems
from app.api.page_cookie import forget_attempt, keep_attempt, keep_page, page_of, secret_of_attempt
from app.errors import AccountExists, EmailUnverified, InvalidCredentials, NotFound, ProviderBadAnswer, ProviderUnavailable, SignInFailed

router = APIRouter(responses=problems(NotFound, ProviderUnavailable, ProviderBadAnswer))

_PAGE: Final = "/"
_FOUND: Final = 302
_SEE_OTHER: Final = 303
Words = Annotated[str | None, Query(max_length=4096)]


async def _sign_in(access: AccessDep) -> SignIn:
    if access.sign_in is None:
        raise NotFound("This server has no sign-in provider.")
    return access.sign_in


SignInDep = Annotated[SignIn, Depends(_sign_in)]


async def _returned(state: Words = None, code: Words = None, iss: Words = None) -> Returned:
    return Returned(state=state or "", code=code, issuer=iss)


async def _entered(
    request: Request, sign_in: SignInDep, access: AccessDep, back: Annotated[Returned, Depends(_returned)], origin: OriginDep
) -> str:
    """The secret of a login of the page."""
    attempt = Attempt(secret_of_attempt(request.scope))
    with signing_in("oidc") as trying:
        claims = await sign_in.finish(attempt, back)
        user = await access.identities.user_of(claims, attempt, origin.address)
        trying.is_known = True
        return await access.pages.enter(user.id, page_of(request.scope), origin)


@router.get("/login", status_code=_FOUND, response_class=RedirectResponse)
async def sign_in_elsewhere(request: Request, sign_in: SignInDep) -> RedirectResponse:
    """Send the browser to the provider, with a cookie that knows this attempt again."""
    attempt = Attempt.new()
    response = RedirectResponse(await sign_in.address(attempt), status_code=_FOUND, headers={"Cache-Control": "no-store"})
    keep_attempt(request.scope, response, attempt.secret)
    return response


@router.get(
    "/callback",
    status_code=_SEE_OTHER,
    response_class=RedirectResponse,
    responses=problems(SignInFailed, EmailUnverified, AccountExists, InvalidCredentials),
)
async def come_back(request: Request, secret: Annotated[str, Depends(_entered)]) -> RedirectResponse:
    """Where the provider sends the browser back to: log in at the page, making an account at the first time."""
    response = RedirectResponse(_PAGE, status_code=_SEE_OTHER, headers={"Cache-Control": "no-store"})
    keep_page(request.scope, response, secret)
    forget_attempt(request.scope, response)
    return response
