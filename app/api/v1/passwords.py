"""A new password, and the links in mail that lead to one or show that an email is one's own."""

from fastapi import APIRouter, Response

from app.api.deps import CallerDep, OriginDep, RecoveryDep, UsersDep
from app.api.errors import problems
from app.api.v1.auth_schemas import EmailIn, NewPasswordIn, ResetIn, TokenIn
from app.errors import LinkInvalid, LoginTooOld, NotAuthenticated, ServerBusy, TooManyAttempts, WrongPassword

router = APIRouter()


@router.post("/password", status_code=204, responses=problems(NotAuthenticated, WrongPassword, LoginTooOld, TooManyAttempts, ServerBusy))
async def change_password(given: NewPasswordIn, caller: CallerDep, users: UsersDep, origin: OriginDep) -> None:
    """All other logins end. Who has no password yet, for they come from elsewhere, sets one within ten minutes of logging in."""
    await users.change_password(caller, given.old_password, given.new_password, origin)


@router.post("/password/forgot", status_code=202, response_class=Response)
async def forgot_password(given: EmailIn, recovery: RecoveryDep) -> None:
    """Have a link mailed to whoever has this email; the answer is the same, and takes as long, where nobody has."""
    await recovery.forgot(given.email)


@router.post("/password/reset", status_code=204, responses=problems(LinkInvalid, ServerBusy))
async def reset_password(given: ResetIn, recovery: RecoveryDep, origin: OriginDep) -> None:
    """Set a new password with the token of the mailed link, which is good once and for half an hour.

    All logins and API keys end, and webhooks are switched off: a stranger may have made them."""
    await recovery.reset(given.token, given.new_password, origin)


@router.post("/email/verify", status_code=204, responses=problems(LinkInvalid))
async def verify_email(given: TokenIn, recovery: RecoveryDep, origin: OriginDep) -> None:
    """Show by the token of the mailed link that the email is one's own."""
    await recovery.verify(given.token, origin)


@router.post("/email/resend", status_code=202, response_class=Response)
async def resend_verification(given: EmailIn, recovery: RecoveryDep) -> None:
    """Have another such link mailed, to who has not shown it yet; the answer is the same for everybody."""
    await recovery.resend(given.email)
