"""A user's right to take away what is kept of them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol
from uuid import UUID

import structlog

from app.accounts.archive import archive
from app.errors import ExportNotFound, NotAuthenticated
from app.persistence.lifecycle import Export, ExportAttempt

log = structlog.get_logger()


class ExportStore(Protocol):
    async def ask(self, user_id: UUID) -> Export | None: ...
    async def find(self, user_id: UUID) -> Export | None: ...
    async def make_later(self, export_id: UUID) -> None: ...
    async def begin(self, export_id: UUID) -> ExportAttempt | None: ...
    async def keep(self, attempt: ExportAttempt, number: int, piece: bytes) -> bool: ...
    async def finish(self, attempt: ExportAttempt) -> None: ...
    def pieces(self, export_id: UUID) -> AsyncGenerator[bytes]: ...
    async def forget(self, older_than_seconds: float) -> int: ...


class UserDataStore(Protocol):
    def read(self, user_id: UUID) -> AsyncGenerator[tuple[str, Sequence[str]]]: ...


class Exports:
    def __init__(self, store: ExportStore, data: UserDataStore) -> None:
        self._store = store
        self._data = data
        # Each holds a connection for as long as it reads.
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, user_id: UUID) -> Export:
        """Have an export made, unless one is being made; raise NotAuthenticated for a user who has just gone."""
        if export := await self._store.ask(user_id):
            return export
        raise NotAuthenticated

    async def find(self, user_id: UUID) -> Export:
        """Raise ExportNotFound."""
        if export := await self._store.find(user_id):
            return export
        raise ExportNotFound

    def pieces(self, export_id: UUID) -> AsyncGenerator[bytes]:
        """The bytes of one that is whole."""
        return self._store.pieces(export_id)

    async def make(self, export_id: UUID) -> None:
        """Make one that was asked for; nothing happens to one that is whole, or gone."""
        if self._one_at_a_time.locked():  # waiting here would take a place among the jobs from what users wait for
            await self._store.make_later(export_id)
            return
        async with self._one_at_a_time:
            if (attempt := await self._store.begin(export_id)) and await self._kept(attempt):
                await self._store.finish(attempt)

    async def archive(self, user_id: UUID) -> AsyncGenerator[bytes]:
        """All that is kept of a user, as a ZIP, in pieces."""
        async with aclosing(self._data.read(user_id)) as rows, aclosing(archive(rows)) as pieces:
            async for piece in pieces:
                yield piece

    async def forget(self, older_than_seconds: float) -> None:
        if exports := await self._store.forget(older_than_seconds):
            log.info("exports_forgotten", exports=exports)

    async def _kept(self, attempt: ExportAttempt) -> bool:
        number = 0
        async with aclosing(self._data.read(attempt.user_id)) as rows, aclosing(archive(rows)) as pieces:
            async for piece in pieces:
                if not await self._store.keep(attempt, number, piece):
                    return False
                number += 1
        return True
