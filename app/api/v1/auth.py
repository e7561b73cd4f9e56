"""Signing up, logging in and out, and who one is."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body, Form, Request

from app.api.deps import CallerDep, CurrentUser, LoginsDep, OriginDep, UsersDep
from app.api.errors import problems
from app.api.proof import proof_of
from app.api.v1.auth_schemas import (
    Credentials,
    LeaveIn,
    LoginForm,
    LoginList,
    LoginOut,
    RefreshIn,
    Registered,
    TokensOut,
    UserChange,
    UserOut,
)
from app.errors import (
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    LoginNotFound,
    NotAuthenticated,
    ScopeMissing,
    ServerBusy,
    TooManyAttempts,
    VerificationNeeded,
)

router = APIRouter()

_NO_TOKEN: Final = LeaveIn()


@router.post("/register", status_code=201, responses=problems(EmailTaken, ServerBusy))
async def register(credentials: Credentials, users: UsersDep, origin: OriginDep) -> Registered:
    """Make an account; the answer is logged in already, unless the email must be verified first."""
    user, pair = await users.register(credentials.email, credentials.password, origin)
    return Registered(user=UserOut.of(user), tokens=TokensOut.of(pair) if pair else None)


@router.post("/login", responses=problems(InvalidCredentials, VerificationNeeded, TooManyAttempts, ServerBusy))
async def log_in(form: Annotated[LoginForm, Form()], users: UsersDep, origin: OriginDep) -> TokensOut:
    """OAuth 2's password form, so that the docs page's Authorize button works: `username` is the email."""
    return TokensOut.of(await users.log_in(form.username, form.password, origin))


@router.post("/refresh", responses=problems(InvalidRefreshToken))
async def refresh(given: RefreshIn, logins: LoginsDep, origin: OriginDep) -> TokensOut:
    """New tokens for a refresh token, which is good for one use; used once more later, it ends the login, for two people have it."""
    return TokensOut.of(await logins.refresh(given.refresh_token, origin))


@router.post("/logout", status_code=204, responses=problems(NotAuthenticated, ScopeMissing))
async def log_out(
    request: Request, users: UsersDep, logins: LoginsDep, origin: OriginDep, leaving: Annotated[LeaveIn, Body()] = _NO_TOKEN
) -> None:
    """End the login that the refresh token is of, or else that of the access token: none of its tokens is good for anything any more."""
    if leaving.refresh_token is not None:
        await logins.leave_by_token(leaving.refresh_token, origin)
        return
    caller = await users.authenticate(proof_of(request.scope))
    if caller.login_id is None:
        raise ScopeMissing("An API key has no login to end: revoke it.")
    await logins.leave(caller.user.id, caller.login_id, origin)


@router.post("/logout-everywhere", status_code=204, responses=problems(NotAuthenticated))
async def log_out_everywhere(user: CurrentUser, logins: LoginsDep, origin: OriginDep) -> None:
    """End all of one's logins, this one too."""
    await logins.leave_everywhere(user.id, origin)


@router.get("/logins", responses=problems(NotAuthenticated))
async def list_logins(caller: CallerDep, logins: LoginsDep) -> LoginList:
    """Where one is logged in, the last used first; a hundred at the most."""
    found = await logins.list(caller.user.id)
    return LoginList(items=[LoginOut.of(login, is_current=login.id == caller.login_id) for login in found])


@router.delete("/logins/{login_id}", status_code=204, responses=problems(NotAuthenticated, LoginNotFound))
async def end_login(login_id: UUID, user: CurrentUser, logins: LoginsDep, origin: OriginDep) -> None:
    """End one of one's logins, on whatever device it is."""
    await logins.end(user.id, login_id, origin)


@router.get("/me", responses=problems(NotAuthenticated))
async def me(user: CurrentUser) -> UserOut:
    return UserOut.of(user)


@router.patch("/me", responses=problems(NotAuthenticated))
async def change_me(change: UserChange, user: CurrentUser, users: UsersDep) -> UserOut:
    """Switch memory on or off, for all of one's sessions; what is remembered already stays until it is deleted."""
    return UserOut.of(await users.switch_memory(user.id, change.remembers))
