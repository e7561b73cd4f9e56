"""Logins of the page: proved by a secret that its script never sees."""

import secrets
from typing import Final, Protocol
from uuid import UUID

from app.errors import InvalidCredentials
from app.persistence.credentials import PageCredential, hashed

_SECRET_BYTES: Final = 32


class PageStore(Protocol):
    async def open(self, user_id: UUID, page_hash: bytes) -> bool: ...
    async def end(self, page_hash: bytes) -> None: ...


class Pages:
    def __init__(self, store: PageStore) -> None:
        self._store = store

    async def enter(self, user_id: UUID, before: PageCredential | None) -> str:
        """A secret for the cookie, made anew at each login; whatever the browser had `before` is ended.

        Raise InvalidCredentials for a user who may not come in, or has just gone.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        if not await self._store.open(user_id, hashed(secret)):
            raise InvalidCredentials
        if before:
            await self.leave(before)
        return secret

    async def leave(self, page: PageCredential) -> None:
        """From the next request on the cookie is good for nothing, on every process."""
        await self._store.end(page.page_hash)
