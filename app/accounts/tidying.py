"""What of logins is over, and deleted by a worker."""

from typing import Protocol

import structlog

log = structlog.get_logger()


class OldLogins(Protocol):
    async def prune(self) -> int: ...


class OldFailures(Protocol):
    async def forget(self, older_than_seconds: float) -> int: ...


async def prune_logins(store: OldLogins) -> None:
    if logins := await store.prune():
        log.info("logins_pruned", logins=logins)


async def forget_failures(store: OldFailures, older_than_seconds: float) -> None:
    if keys := await store.forget(older_than_seconds):
        log.info("login_failures_forgotten", keys=keys)
