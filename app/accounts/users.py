"""Who somebody is: signing up, logging in, and the user behind a token."""

from contextlib import suppress
from typing import Protocol
from uuid import UUID

from pydantic import validate_email

from app.accounts.lockout import Audit, Lockout
from app.accounts.logins import Logins, TokenPair
from app.accounts.passwords import Passwords
from app.accounts.tokens import Tokens
from app.errors import EmailNotVerified, InvalidCredentials, InvalidInput, NotAuthenticated, UserNotFound, WrongPassword
from app.persistence.accounts import Credential, Origin
from app.persistence.audit import Actor, AuditEvent
from app.persistence.users import PasswordChange
from app.persistence.values import User


class UserStore(Protocol):
    async def add(self, email: str, password_hash: str) -> User: ...
    async def find(self, email: str) -> tuple[User, str] | None: ...
    async def read(self, credential: Credential) -> User | None: ...
    async def switch_memory(self, user_id: UUID, remembers: bool) -> User | None: ...
    async def rehash(self, user_id: UUID, old_hash: str, new_hash: str) -> None: ...
    async def change_password(self, change: PasswordChange, address: str | None) -> bool: ...


class Verification(Protocol):
    """What is asked of a user's email."""

    @property
    def is_required(self) -> bool: ...

    async def ask(self, email: str) -> None:
        """Have a link mailed to this address, where the server can."""
        ...


class Door:
    """What keeps the door: passwords, their guessers, and what is written down of both."""

    def __init__(self, passwords: Passwords, lockout: Lockout, verification: Verification, audit: Audit) -> None:
        self.passwords = passwords
        self.lockout = lockout
        self.verification = verification
        self.audit = audit


class Users:
    def __init__(self, store: UserStore, door: Door, logins: Logins, tokens: Tokens) -> None:
        self._store = store
        self._door = door
        self._logins = logins
        self._tokens = tokens

    async def register(self, email: str, password: str, origin: Origin) -> tuple[User, TokenPair | None]:
        """Raise EmailTaken; no other way in tells whether somebody has an email. No tokens for who must verify it first."""
        user = await self._store.add(normalised(email), await self._door.passwords.hash(password))
        await self._door.audit.add(AuditEvent.REGISTERED, user.id, Actor(user_id=user.id, address=origin.address))
        await self._door.verification.ask(user.email)
        if self._door.verification.is_required:
            return user, None
        return user, await self._logins.enter(user.id, origin)

    async def log_in(self, email: str, password: str, origin: Origin) -> TokenPair:
        """Raise InvalidCredentials, in the same time for an unknown email as for a wrong password, or TooManyAttempts for either.

        Raise EmailNotVerified to who has the password, and mail them another link.
        """
        found = await self._find(email)
        async with self._door.lockout.judging(_account(email), found[0].id if found else None, origin.address):
            if pair := await self._entered(found, password, origin):
                return pair
            # The right password a moment ago, and maybe still: another login of theirs may have given it a newer hash.
            again = await self._find(email)
            if again != found and (pair := await self._entered(again, password, origin)):
                return pair
            raise InvalidCredentials

    def credential_of(self, token: str) -> Credential:
        """What the token says, be it that its user or login is gone by now; raise NotAuthenticated when it is not valid."""
        return self._tokens.read(token)

    async def authenticate(self, token: str) -> User:
        """Raise NotAuthenticated when the token is not valid, or its user or login is gone."""
        user = await self._store.read(self._tokens.read(token))
        if user is None:
            raise NotAuthenticated
        return user

    async def check_password(self, user: User, password: str, origin: Origin) -> str:
        """Their hash; raise WrongPassword or TooManyAttempts, or NotAuthenticated when the user has just gone."""
        async with self._door.lockout.judging(user.email, user.id, origin.address):
            found = await self._store.find(user.email)
            match = await self._door.passwords.match(password, found[1] if found else None)
            if found is None:
                raise NotAuthenticated
            if not match.matches:
                raise WrongPassword
            return found[1]

    async def change_password(self, credential: Credential, user: User, old: str, new: str, origin: Origin) -> None:
        """End all logins but this one; raise what `check_password` does."""
        old_hash = await self.check_password(user, old, origin)
        new_hash = await self._door.passwords.hash(new)
        change = PasswordChange(user_id=user.id, old_hash=old_hash, new_hash=new_hash, but_id=credential.login_id)
        if not await self._store.change_password(change, origin.address):
            raise WrongPassword  # it was changed in between

    async def switch_memory(self, user_id: UUID, remembers: bool) -> User:
        """Raise NotAuthenticated when the user is gone."""
        if user := await self._store.switch_memory(user_id, remembers):
            return user
        raise NotAuthenticated

    async def _entered(self, found: tuple[User, str] | None, password: str, origin: Origin) -> TokenPair | None:
        user, known_hash = found or (None, None)
        match = await self._door.passwords.match(password, known_hash)
        if user is None or known_hash is None or not match.matches:
            raise InvalidCredentials
        if self._door.verification.is_required and not user.email_verified_at:
            await self._door.verification.ask(user.email)
            raise EmailNotVerified
        pair = await self._logins.enter(user.id, origin, known_hash)
        if pair and match.new_hash:
            await self._store.rehash(user.id, known_hash, match.new_hash)
        return pair

    async def _find(self, email: str) -> tuple[User, str] | None:
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


def _account(email: str) -> str:
    """What tries at an account are counted by, be there one or not."""
    try:
        return normalised(email)
    except InvalidInput:
        return email
