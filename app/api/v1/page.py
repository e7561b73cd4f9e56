"""What our own page asks in the place of tokens: logging in by a cookie that its script cannot read."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from app.access import Access
from app.accounts.oidc.attempt import Attempt
from app.accounts.signing_in import signing_in
from app.accounts.users import Users
from app.api.deps import AccessDep, OriginDep, RecoveryDep, UsersDep
from app.api.errors import problems
from app.api.page_cookie import check_own_page, forget_attempt, forget_page, keep_page, page_of, secret_of, secret_of_attempt
from app.api.v1.auth_schemas import Credentials, UserOut
from app.api.v1.page_schemas import OtherWayIn, PageLogin, PageOut
from app.errors import CsrfRefused, EmailTaken, InvalidCredentials, NotAuthenticated, ServerBusy, TooManyAttempts, VerificationNeeded
from app.persistence.accounts import Origin, User
from app.persistence.audit import Actor

_SIGN_IN: Final = "/api/v1/auth/oidc/login"


async def _from_own_page(request: Request) -> None:
    check_own_page(request.scope)


router = APIRouter(dependencies=[Depends(_from_own_page)], responses=problems(CsrfRefused))


async def _visitor(request: Request, users: UsersDep, access: AccessDep) -> User | None:
    if page := page_of(request.scope):
        with suppress(NotAuthenticated):
            caller = await users.authenticate(page)
            access.uses.note(caller)
            return caller.user
    return None


@dataclass(frozen=True, slots=True)
class Doors:
    """What lets somebody in at the page, and where they come from."""

    users: Users
    access: Access
    origin: Origin


async def _doors(users: UsersDep, access: AccessDep, origin: OriginDep) -> Doors:
    return Doors(users, access, origin)


DoorsDep = Annotated[Doors, Depends(_doors)]


@router.get("")
async def read_page(
    request: Request, response: Response, visitor: Annotated[User | None, Depends(_visitor)], access: AccessDep, recovery: RecoveryDep
) -> PageOut:
    """Who is logged in at the page, if anybody is, and how else one can; each visit keeps the login for another fortnight."""
    response.headers["Cache-Control"] = "no-store"
    if visitor:
        keep_page(request.scope, response, secret_of(request.scope))
    providers = [OtherWayIn(name=access.sign_in.name, url=_SIGN_IN)] if access.sign_in else []
    return PageOut(user=visitor and UserOut.of(visitor), providers=providers, sends_mail=recovery.is_possible)


@router.post("/register", status_code=201, responses=problems(EmailTaken, VerificationNeeded, ServerBusy))
async def register_at_page(new: Credentials, request: Request, response: Response, doors: DoorsDep) -> UserOut:
    """Make an account, and be logged in at the page, unless the email must be verified first."""
    user = await doors.users.add(new.email, new.password, doors.origin)
    if doors.users.must_verify(user):
        raise VerificationNeeded("There is an account now. Open the link in the mail to you, and log in.")
    keep_page(request.scope, response, await doors.access.pages.enter(user.id, page_of(request.scope), doors.origin))
    return UserOut.of(user)


@router.post("/login", responses=problems(InvalidCredentials, VerificationNeeded, TooManyAttempts, ServerBusy))
async def log_in_at_page(known: PageLogin, request: Request, response: Response, doors: DoorsDep) -> UserOut:
    """Log in. An account elsewhere that was just refused in this browser, because of its email, opens this account from now on."""
    with signing_in("page") as trying:
        user, password_hash = await doors.users.recognise(known.email, known.password, doors.origin)
        trying.is_known = True
        keep_page(request.scope, response, await doors.access.pages.enter(user.id, page_of(request.scope), doors.origin, password_hash))
    # Once they are in: who has the password may have been shut out, or it may have been changed in between.
    if secret := secret_of_attempt(request.scope):
        await doors.access.identities.joined(Actor(user_id=user.id, address=doors.origin.address), Attempt(secret))
        forget_attempt(request.scope, response)
    return UserOut.of(user)


@router.post("/logout", status_code=204)
async def log_out_at_page(request: Request, response: Response, access: AccessDep, origin: OriginDep) -> None:
    """End the page's login, everywhere at once; there need be none."""
    if page := page_of(request.scope):
        await access.pages.leave(page, origin)
    forget_page(request.scope, response)
