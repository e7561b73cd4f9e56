"""Note when keys and pages were last used: in memory at each request, in the database once a minute, all at once."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from app.errors import AppError
from app.persistence.credentials import Caller


class UseStore(Protocol):
    async def note(self, keys: Collection[UUID], logins: Collection[UUID]) -> None: ...


class Uses:
    def __init__(self, store: UseStore, pause_seconds: float) -> None:
        self._store = store
        self._pause_seconds = pause_seconds
        self._keys: set[UUID] = set()
        self._logins: set[UUID] = set()
        self._noted = asyncio.Event()

    def note(self, caller: Caller) -> None:
        """A key's, or a page's; an access token's login is not noted, for it ends by itself."""
        if caller.key_id:
            self._keys.add(caller.key_id)
        elif caller.by_page and caller.login_id:
            self._logins.add(caller.login_id)
        else:
            return
        self._noted.set()

    async def keep_writing(self) -> None:
        """Write what was noted, the first at once, and from then on at most once in each pause; to the last when cancelled."""
        try:
            while True:
                await self._noted.wait()
                await self._write()
                await asyncio.sleep(self._pause_seconds)
        finally:
            await self._write()

    async def _write(self) -> None:
        keys, self._keys = self._keys, set()
        logins, self._logins = self._logins, set()
        self._noted.clear()
        if keys or logins:
            with suppress(AppError):  # a database that is away: the next use is noted again
                await self._store.note(keys, logins)
