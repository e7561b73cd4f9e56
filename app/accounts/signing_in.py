"""How tries to sign in go, told to whoever watches."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from app import signals
from app.errors import AccountExists, AppError, EmailUnverified, InvalidCredentials, SignInFailed, TooManyAttempts, VerificationNeeded

# Whoever is known and may not come in all the same is "disabled", whatever keeps them out; what is no answer to them has "failed".
_OUTCOMES: Final[dict[type[AppError], str]] = {
    InvalidCredentials: "wrong",
    SignInFailed: "wrong",
    TooManyAttempts: "locked",
    VerificationNeeded: "disabled",
    EmailUnverified: "disabled",
    AccountExists: "disabled",
}


@dataclass(slots=True)
class Trying:
    is_known: bool = False


@contextmanager
def signing_in(method: str) -> Generator[Trying]:
    """Tell what becomes of a try; who leaves this without an error is in. Say in between that it `is_known` who they are."""
    trying = Trying()
    try:
        yield trying
    except AppError as error:
        outcome = _OUTCOMES.get(type(error), "failed")
        signals.signed_in(method, "disabled" if trying.is_known and outcome == "wrong" else outcome)
        raise
    signals.signed_in(method, "ok")
