"""The folder of attachments: what is left in it by a process that died at the wrong moment, and how a user is erased from it.

A folder alone does not say that its user is gone: who starts a server with another database would lose all attachments. So an erasure
leaves a mark beside it, for as long as the user is still in the database.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from app.errors import Unavailable
from app.persistence.database import Pool, database_errors, fetch_all

_USERS_AT_ONCE: Final = 100
_MARK: Final = ".erased"
_LONGEST_NAME: Final = 64
_UNWRITABLE: Final = "The folder of attachments cannot be written to."

_USERS: Final = 'SELECT id FROM "user" WHERE id = ANY(%(ids)s)'
_KEPT: Final = "SELECT user_id, sha256 FROM attachment_blob WHERE user_id = ANY(%(ids)s)"
_CLAIM: Final = """
INSERT INTO attachment_blob (user_id, sha256) SELECT id, %(sha256)s FROM "user" WHERE id = %(user_id)s ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    user_id: UUID


class AttachmentFolder:
    def __init__(self, pool: Pool, folder: Path) -> None:
        self._pool = pool
        self._folder = folder

    async def prepare(self, user_id: UUID) -> int:
        """Mark that this user is about to go; return how many files there are, and raise Unavailable when they could not be deleted."""
        if not await asyncio.to_thread(self._folder.exists):
            return 0
        await asyncio.to_thread(_mark, self._mark(user_id))
        return await asyncio.to_thread(_count_files, self._folder / str(user_id))

    async def erase(self, user_id: UUID) -> int:
        """Delete what a user who is gone has sent; return how many files there were."""
        return await self._finish(user_id)

    async def sweep(self, older_than_seconds: float) -> int:
        """Delete what is left of users who were erased, and files older than this that no row knows; return how many files there were."""
        before, swept = time.time() - older_than_seconds, 0
        swept += await self._sweep_erased(before)
        owners = await asyncio.to_thread(_owners, self._folder, "")
        for at in range(0, len(owners), _USERS_AT_ONCE):
            swept += await self._sweep_unknown(owners[at : at + _USERS_AT_ONCE], before)
        return swept

    async def _sweep_erased(self, before: float) -> int:
        marked = await asyncio.to_thread(_owners, self._folder, _MARK)
        still_there = await self._users(marked)
        for user_id in still_there:
            if await asyncio.to_thread(_is_older, self._mark(user_id), before):  # of an erasure that has failed
                await asyncio.to_thread(self._mark(user_id).unlink, missing_ok=True)
        return sum([await self._finish(user_id) for user_id in marked if user_id not in still_there])

    async def _sweep_unknown(self, owners: Sequence[UUID], before: float) -> int:
        old = await asyncio.to_thread(_old_files, self._folder, owners, before)
        kept = {(row["user_id"], row["sha256"]) for row in await fetch_all(self._pool, _KEPT, {"ids": [*owners]})}
        return sum([await self._delete(file) for file in old if (file.user_id, file.path.name) not in kept])

    async def _delete(self, file: _File) -> int:
        """In a transaction that holds its row: who keeps the same content meanwhile was faster, or waits, and then writes the file anew."""
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction(force_rollback=True):
                claimed = await connection.execute(_CLAIM, {"user_id": file.user_id, "sha256": file.path.name})
                if claimed.rowcount:
                    await asyncio.to_thread(file.path.unlink, missing_ok=True)
                return claimed.rowcount

    async def _users(self, ids: Sequence[UUID]) -> set[UUID]:
        return {row["id"] for row in await fetch_all(self._pool, _USERS, {"ids": [*ids]})} if ids else set()

    async def _finish(self, user_id: UUID) -> int:
        deleted = await asyncio.to_thread(_delete_files, self._folder / str(user_id))
        await asyncio.to_thread(self._mark(user_id).unlink, missing_ok=True)
        return deleted

    def _mark(self, user_id: UUID) -> Path:
        return self._folder / f"{user_id}{_MARK}"


def _mark(mark: Path) -> None:
    try:
        mark.touch(mode=0o600)
    except OSError as error:
        raise Unavailable(_UNWRITABLE) from error


def _count_files(folder: Path) -> int:
    if not folder.exists():
        return 0
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Unavailable(_UNWRITABLE)  # a receipt must not count what will stay there
    return sum(1 for _ in folder.iterdir())


def _delete_files(folder: Path) -> int:
    files = [*folder.glob("*")]
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:  # a receipt must not count what is still there
        raise Unavailable(_UNWRITABLE) from error
    return len(files)


def _owners(folder: Path, ending: str) -> Sequence[UUID]:
    """The users whose id with this ending is a name in the folder; what else may be there is not ours."""
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    return [user_id for name in names if (user_id := _user_id(name.removesuffix(ending))) and f"{user_id}{ending}" == name]


def _user_id(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def _old_files(folder: Path, owners: Iterable[UUID], before: float) -> Sequence[_File]:
    files = [_File(path, owner) for owner in owners for path in (folder / str(owner)).glob("*")]
    return [file for file in files if len(file.path.name) <= _LONGEST_NAME and _is_older(file.path, before)]


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime < before
    except FileNotFoundError:
        return False
