"""Who somebody is: signing up, logging in, and the user behind a token."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from pydantic import validate_email

from app import signals
from app.accounts.lockout import Audit, Lockout
from app.accounts.logins import Logins, TokenPair
from app.accounts.passwords import Passwords
from app.accounts.signing_in import signing_in
from app.accounts.tokens import Tokens
from app.errors import InvalidCredentials, InvalidInput, LoginTooOld, NotAuthenticated, UserNotFound, VerificationNeeded, WrongPassword
from app.persistence.accounts import Credential, Origin, User
from app.persistence.audit import Actor, AuditEvent
from app.persistence.credentials import Caller, Proof
from app.persistence.users import PasswordChange

_FRESH: Final = timedelta(minutes=10)


class UserStore(Protocol):
    async def add(self, email: str, password_hash: str) -> User: ...
    async def find(self, email: str) -> tuple[User, str | None] | None: ...
    async def read(self, proof: Proof) -> Caller | None: ...
    async def switch_memory(self, user_id: UUID, remembers: bool) -> User | None: ...
    async def rehash(self, user_id: UUID, old_hash: str, new_hash: str) -> bool: ...
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
        user = await self.add(email, password, origin)
        return user, None if self.must_verify(user) else await self._logins.enter(user.id, origin)

    async def add(self, email: str, password: str, origin: Origin) -> User:
        """Raise EmailTaken."""
        user = await self._store.add(normalised(email), await self._door.passwords.hash(password))
        await self._door.audit.add(AuditEvent.REGISTERED, user.id, Actor(user_id=user.id, address=origin.address))
        await self._door.verification.ask(user.email)
        return user

    async def log_in(self, email: str, password: str, origin: Origin) -> TokenPair:
        """Raise what `recognise` does."""
        with signing_in("password") as trying:
            user, password_hash = await self.recognise(email, password, origin)
            trying.is_known = True
            if pair := await self._logins.enter(user.id, origin, password_hash):
                return pair
            raise InvalidCredentials

    async def recognise(self, email: str, password: str, origin: Origin) -> tuple[User, str]:
        """Who has this email and password, and the hash that it was found by, for a login to begin with as long as that is theirs.

        Raise InvalidCredentials, in the same time for an unknown email as for a wrong password, or TooManyAttempts for either. Raise
        VerificationNeeded to who has the password, and mail them another link.
        """
        found = await self._find(email)
        async with self._door.lockout.judging(_account(email), found[0].id if found else None, origin.address):
            user, password_hash = await self._matched(found, password)
            if self.must_verify(user):
                await self._door.verification.ask(user.email)
                raise VerificationNeeded
            return user, password_hash

    def credential_of(self, token: str) -> Credential:
        """What the token says, be it that its user or login is gone by now; raise NotAuthenticated when it is not valid."""
        return self._tokens.read(token)

    async def authenticate(self, proof: Proof) -> Caller:
        """Raise NotAuthenticated when it does not hold any more."""
        if caller := await self._store.read(proof):
            return caller
        # A token that we have signed was good once; of a key or a cookie that is not there nobody knows.
        signals.token_refused("revoked" if isinstance(proof, Credential) else "unknown")
        raise NotAuthenticated

    async def confirm(self, caller: Caller, password: str, origin: Origin) -> str | None:
        """That it is really them: by their password, whose hash is returned, or, who has none, by having just logged in.

        Raise WrongPassword, LoginTooOld, TooManyAttempts, or NotAuthenticated when the user has just gone.
        """
        async with self._door.lockout.judging(caller.user.email, caller.user.id, origin.address):
            if (found := await self._store.find(caller.user.email)) is None:
                raise NotAuthenticated
            if found[1] is None:
                if not _has_just_come(caller):
                    raise LoginTooOld
            elif not (await self._door.passwords.match(password, found[1])).matches:
                raise WrongPassword
            return found[1]

    async def confirm_later(self, caller: Caller, password: str | None, origin: Origin) -> None:
        """That it is really them, for what outlives a login: who has just logged in has shown it, anybody else shows it once more.

        Raise what `confirm` does, and LoginTooOld without a password.
        """
        if _has_just_come(caller):
            return
        if password is None:
            raise LoginTooOld("This takes your password, or a login of the last ten minutes.")
        await self.confirm(caller, password, origin)

    async def change_password(self, caller: Caller, old: str, new: str, origin: Origin) -> None:
        """End all logins but this one; raise what `confirm` does, or InvalidInput for the same password once more."""
        old_hash = await self.confirm(caller, old, origin)
        if old_hash and new == old:
            raise InvalidInput(faults=[("new_password", "must be another than the old one")])
        new_hash = await self._door.passwords.hash(new)
        change = PasswordChange(user_id=caller.user.id, old_hash=old_hash, new_hash=new_hash, but_id=caller.login_id)
        if not await self._store.change_password(change, origin.address):
            raise WrongPassword  # it was changed in between

    async def switch_memory(self, user_id: UUID, remembers: bool) -> User:
        """Raise NotAuthenticated when the user is gone."""
        if user := await self._store.switch_memory(user_id, remembers):
            return user
        raise NotAuthenticated

    async def _matched(self, found: tuple[User, str | None] | None, password: str) -> tuple[User, str]:
        """A hash of another kind than today's is made anew; of several who do that at once the others look once more."""
        user, known_hash = found or (None, None)
        match = await self._door.passwords.match(password, known_hash)
        if user is None or known_hash is None or not match.matches:
            raise InvalidCredentials
        if match.new_hash is None:
            return user, known_hash
        if await self._store.rehash(user.id, known_hash, match.new_hash):
            return user, match.new_hash
        return await self._matched(await self._store.find(user.email), password)

    def must_verify(self, user: User) -> bool:
        """Whether they come in only once they have shown that the email is theirs."""
        return self._door.verification.is_required and user.email_verified_at is None

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


def _has_just_come(caller: Caller) -> bool:
    """By the entry of a password, or from elsewhere: tokens that are refreshed are no newer than their login."""
    return caller.logged_in_at is not None and datetime.now(UTC) - caller.logged_in_at <= _FRESH


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
