"""A user's right to be forgotten, and what is forgotten without anybody asking."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final, Protocol
from uuid import UUID

import structlog

from app.errors import AppError, UserNotFound
from app.persistence.lifecycle import Receipt

_CHORE_SECONDS: Final = 60
_SESSIONS_AT_ONCE: Final = 20
_ENTRIES_AT_ONCE: Final = 500

log = structlog.get_logger()

# What a store outside the database does about a user; the number of its entries. Raises an AppError when it cannot.
type AboutUser = Callable[[UUID], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A store outside the database: what it does before the user is gone, where a failure stops all, and what after it."""

    before: AboutUser
    after: AboutUser


class ErasingStore(Protocol):
    async def erase(self, user_id: UUID, elsewhere: Mapping[str, int]) -> Receipt | None: ...


class RetentionStore(Protocol):
    async def delete_old_sessions(self, silent_for: timedelta, limit: int) -> int: ...
    async def delete_old_audit(self, age: timedelta, limit: int) -> int: ...


class Erasure:
    def __init__(self, store: ErasingStore, elsewhere: Mapping[str, Elsewhere]) -> None:
        """`elsewhere` are the stores outside the database, by the name that a receipt has for them."""
        self._store = store
        self._elsewhere = elsewhere

    async def erase(self, user_id: UUID) -> Receipt:
        """Delete all that is kept of a user, wherever it is; raise UserNotFound, or Unavailable when a store cannot be reached.

        What fails before the user is gone from the database can be done again; after that nothing new can come.
        """
        counts = {name: await store.before(user_id) for name, store in self._elsewhere.items()}
        if receipt := await self._store.erase(user_id, counts):
            await self._forget_rest(user_id, receipt)
            log.info("user_erased", receipt=str(receipt.id))
            return receipt
        raise UserNotFound

    async def _forget_rest(self, user_id: UUID, receipt: Receipt) -> None:
        """A store that fails now is no reason to hide the receipt: nobody can ask for it again."""
        for name, store in self._elsewhere.items():
            try:
                await store.after(user_id)
            except AppError as error:
                log.warning("erasure_not_looked_over", receipt=str(receipt.id), store=name, error=error.code)


async def delete_old_sessions(store: RetentionStore, days: int) -> None:
    """Delete the sessions in which nobody has said anything for so many days; 0 keeps them."""
    sessions = await _in_batches(store.delete_old_sessions, days, _SESSIONS_AT_ONCE)
    if sessions:
        log.info("old_sessions_deleted", sessions=sessions)


async def delete_old_audit(store: RetentionStore, days: int) -> None:
    """Delete the entries of the audit log that are older than so many days; 0 keeps them."""
    entries = await _in_batches(store.delete_old_audit, days, _ENTRIES_AT_ONCE)
    if entries:
        log.info("old_audit_deleted", entries=entries)


async def _in_batches(delete: Callable[[timedelta, int], Awaitable[int]], days: int, limit: int) -> int:
    """For a minute at most; the rest waits for the next time."""
    deleted, enough = 0, monotonic() + _CHORE_SECONDS
    while days and monotonic() < enough:
        batch = await delete(timedelta(days=days), limit)
        deleted += batch
        if batch < limit:
            break
    return deleted
