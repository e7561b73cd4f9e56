"""Signing up, logging in, and who one is."""

from typing import Annotated

from fastapi import APIRouter, Form

from app.accounts.tokens import AccessToken
from app.api.deps import CurrentUser, UsersDep
from app.api.errors import problems
from app.api.v1.auth_schemas import Credentials, LoginForm, Registered, TokensOut, UserChange, UserOut
from app.errors import EmailTaken, InvalidCredentials, NotAuthenticated
from app.persistence.accounts import User

router = APIRouter()


@router.post("/register", status_code=201, responses=problems(EmailTaken))
async def register(credentials: Credentials, users: UsersDep) -> Registered:
    """Make an account; the answer is logged in already."""
    user, token = await users.register(credentials.email, credentials.password)
    return Registered(user=_user(user), tokens=_tokens(token))


@router.post("/login", responses=problems(InvalidCredentials))
async def log_in(form: Annotated[LoginForm, Form()], users: UsersDep) -> TokensOut:
    """OAuth 2's password form, so that the docs page's Authorize button works: `username` is the email."""
    return _tokens(await users.log_in(form.username, form.password))


@router.get("/me", responses=problems(NotAuthenticated))
async def me(user: CurrentUser) -> UserOut:
    return _user(user)


@router.patch("/me", responses=problems(NotAuthenticated))
async def change_me(change: UserChange, user: CurrentUser, users: UsersDep) -> UserOut:
    """Switch memory on or off, for all of one's sessions; what is remembered already stays until it is deleted."""
    return _user(await users.switch_memory(user.id, change.remembers))


def _user(user: User) -> UserOut:
    return UserOut.model_validate(user, from_attributes=True)


def _tokens(token: AccessToken) -> TokensOut:
    return TokensOut(access_token=token.access_token, token_type="bearer", expires_at=token.expires_at)  # noqa: S106  # a word of RFC 6750
