"""Who somebody is: signing up, logging in, and the user behind a token."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from pydantic import validate_email

from app.accounts.passwords import Passwords
from app.accounts.tokens import AccessToken, Tokens
from app.errors import InvalidCredentials, InvalidInput, LoginTooOld, NotAuthenticated, UserNotFound, WrongPassword
from app.persistence.accounts import Credential, User
from app.persistence.credentials import Caller, Proof

_FRESH: Final = timedelta(minutes=10)


class UserStore(Protocol):
    async def add(self, email: str, password_hash: str) -> User: ...
    async def find(self, email: str) -> tuple[User, str | None] | None: ...
    async def read(self, proof: Proof) -> Caller | None: ...
    async def switch_memory(self, user_id: UUID, remembers: bool) -> User | None: ...


class LoginStore(Protocol):
    async def open(self, user_id: UUID) -> UUID | None: ...


class Users:
    def __init__(self, store: UserStore, logins: LoginStore, passwords: Passwords, tokens: Tokens) -> None:
        self._store = store
        self._logins = logins
        self._passwords = passwords
        self._tokens = tokens

    async def register(self, email: str, password: str) -> tuple[User, AccessToken]:
        """Raise EmailTaken; no other way in tells whether somebody has an email."""
        user = await self.add(email, password)
        return user, await self._enter(user)

    async def add(self, email: str, password: str) -> User:
        """Raise EmailTaken."""
        return await self._store.add(normalised(email), await self._passwords.hash(password))

    async def log_in(self, email: str, password: str) -> AccessToken:
        """Raise InvalidCredentials."""
        return await self._enter(await self.recognise(email, password))

    async def recognise(self, email: str, password: str) -> User:
        """Raise InvalidCredentials, in the same time for an unknown email as for a wrong password."""
        user, known_hash = await self._find(email) or (None, None)
        matches = await self._passwords.matches(password, known_hash)
        if user is None or not matches:
            raise InvalidCredentials
        return user

    def credential_of(self, token: str) -> Credential:
        """What the token says, be it that its user or login is gone by now; raise NotAuthenticated when it is not valid."""
        return self._tokens.read(token)

    async def authenticate(self, proof: Proof) -> Caller:
        """Raise NotAuthenticated when it does not hold any more."""
        if caller := await self._store.read(proof):
            return caller
        raise NotAuthenticated

    async def confirm(self, caller: Caller, password: str) -> None:
        """That it is really them: by their password, or, who has none, by having just logged in.

        Raise WrongPassword, LoginTooOld, or NotAuthenticated when the user has just gone.
        """
        found = await self._store.find(caller.user.email)
        if found is None:
            raise NotAuthenticated
        if found[1] is None:
            if not caller.logged_in_at or datetime.now(UTC) - caller.logged_in_at > _FRESH:
                raise LoginTooOld
        elif not await self._passwords.matches(password, found[1]):
            raise WrongPassword

    async def switch_memory(self, user_id: UUID, remembers: bool) -> User:
        """Raise NotAuthenticated when the user is gone."""
        if user := await self._store.switch_memory(user_id, remembers):
            return user
        raise NotAuthenticated

    async def _enter(self, user: User) -> AccessToken:
        """Raise InvalidCredentials for a user who may not come in, or has just gone."""
        if login_id := await self._logins.open(user.id):
            return self._tokens.issue(user.id, login_id)
        raise InvalidCredentials

    async def _find(self, email: str) -> tuple[User, str | None] | None:
        try:
            return await self._store.find(normalised(email))
        except InvalidInput:  # what is no address is nobody's
            return None


async def named(store: UserStore, email: str) -> User:
    """The user who has this address, as an operator writes it; raise UserNotFound."""
    with suppress(InvalidInput):
        if found := await store.find(normalised(email)):
            return found[0]
    raise UserNotFound("There is no account with this email.")


def normalised(email: str) -> str:
    """One spelling of an address for its every case, Unicode form and alphabet of the domain; raise InvalidInput when it is none."""
    try:
        return validate_email(email)[1].lower()
    except ValueError as error:
        raise InvalidInput("This is no email address.") from error
