"""Which account here somebody opens with an account elsewhere: by issuer and subject, never by an email alone."""

from typing import Protocol

from app.accounts.oidc.id_token import Claims
from app.accounts.users import normalised
from app.errors import AccountExists, EmailUnverified
from app.persistence.accounts import User


class IdentityStore(Protocol):
    async def find(self, issuer: str, subject: str) -> User | None: ...
    async def add(self, issuer: str, subject: str, email: str) -> User | None: ...


class Identities:
    def __init__(self, store: IdentityStore) -> None:
        self._store = store

    async def user_of(self, claims: Claims) -> User:
        """The account they have opened before, or a new one without a password; raise EmailUnverified or AccountExists.

        An account that has the same email is not opened: anybody may have registered it with an address that is not theirs, and would be
        in it with its rightful owner; and a provider may give an address to somebody else one day.
        """
        if known := await self._store.find(claims.issuer, claims.subject):
            return known
        if not claims.email:
            raise EmailUnverified
        added = await self._store.add(claims.issuer, claims.subject, normalised(claims.email))
        # They may have come in twice at once.
        if user := added or await self._store.find(claims.issuer, claims.subject):
            return user
        raise AccountExists
