"""Logins of the page: proved by a secret that its script never sees."""

import secrets
from typing import Final, Protocol
from uuid import UUID

from app.errors import InvalidCredentials
from app.persistence.accounts import Origin
from app.persistence.credentials import PageCredential, hashed

_SECRET_BYTES: Final = 32


class PageStore(Protocol):
    async def open(self, user_id: UUID, page_hash: bytes, origin: Origin, password_hash: str | None) -> bool: ...
    async def end(self, page_hash: bytes, address: str | None) -> None: ...


class Pages:
    def __init__(self, store: PageStore) -> None:
        self._store = store

    async def enter(self, user_id: UUID, before: PageCredential | None, origin: Origin, password_hash: str | None = None) -> str:
        """A secret for the cookie, made anew at each login; whatever the browser had `before` is ended.

        Raise InvalidCredentials for a user who may not come in, has just gone, or whose password is not that any more.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        if not await self._store.open(user_id, hashed(secret), origin, password_hash):
            raise InvalidCredentials
        if before:
            await self.leave(before, origin)
        return secret

    async def leave(self, page: PageCredential, origin: Origin) -> None:
        """From the next request on the cookie is good for nothing, on every process."""
        await self._store.end(page.page_hash, origin.address)
