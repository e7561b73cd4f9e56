"""Which account here somebody opens with an account elsewhere: by issuer and subject, never by an email alone."""

from typing import Protocol

from app.accounts.oidc.attempt import Attempt
from app.accounts.oidc.id_token import Claims
from app.accounts.users import normalised
from app.errors import AccountExists, EmailUnverified
from app.persistence.accounts import User
from app.persistence.audit import Actor
from app.persistence.credentials import hashed


class IdentityStore(Protocol):
    async def find(self, issuer: str, subject: str) -> User | None: ...
    async def add(self, issuer: str, subject: str, email: str, address: str | None) -> User | None: ...
    async def propose(self, issuer: str, subject: str, email: str, pending_hash: bytes) -> None: ...
    async def confirm(self, pending_hash: bytes, actor: Actor) -> None: ...


class Identities:
    def __init__(self, store: IdentityStore) -> None:
        self._store = store

    async def user_of(self, claims: Claims, attempt: Attempt, address: str | None) -> User:
        """The account they have opened before, or a new one without a password; raise EmailUnverified or AccountExists.

        An account that has the same email is not opened: anybody may have registered it with an address that is not theirs, and would be
        in it with its rightful owner; and a provider may give an address to somebody else one day. Who knows its password may join the
        two: with that, in the same browser, `joined` does it.
        """
        if known := await self._store.find(claims.issuer, claims.subject):
            return known
        if not claims.email:
            raise EmailUnverified
        email = normalised(claims.email)
        added = await self._store.add(claims.issuer, claims.subject, email, address)
        # They may have come in twice at once.
        if user := added or await self._store.find(claims.issuer, claims.subject):
            return user
        await self._store.propose(claims.issuer, claims.subject, email, hashed(attempt.secret))
        raise AccountExists

    async def joined(self, actor: Actor, attempt: Attempt) -> None:
        """Join the account elsewhere that this attempt was about, if it waits for this user's password, which they have just given."""
        await self._store.confirm(hashed(attempt.secret), actor)
