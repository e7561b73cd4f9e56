"""What operators' commands do: make an administrator, set a password, list and change users, read the audit log, note a backup."""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from app.accounts.administration import Administration, good_hash, make_admin
from app.accounts.passwords import Passwords
from app.accounts.users import named
from app.observability.logging import set_up_logging
from app.persistence.address import database_url
from app.persistence.administration import Account, AccountChange, AccountSearch, AdministrationTable
from app.persistence.audit import Actor, AuditEntry, AuditSearch, AuditTable
from app.persistence.database import open_database
from app.persistence.done import BACKUP, DoneTable
from app.persistence.users import UserTable
from app.settings import Settings, read_tiers

_AT_A_TIME: Final = 200
# Whoever sits at the machine; the log has no name for them.
_OPERATOR: Final = Actor(user_id=None, address=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Office:
    users: UserTable
    log: AuditTable
    administration: Administration


async def create_admin(settings: Settings, email: str, password: str) -> str:
    """Raise EmailTaken, or InvalidInput for a password that will not do."""
    with Passwords(1, 0, memory_kib=settings.accounts.hash_memory_kib) as passwords:
        async with _open_office(settings) as office:
            account = await make_admin(office.users, passwords, office.administration, office.log, email=email, password=password)
    return _line(account)


async def set_password(settings: Settings, email: str, password: str) -> str:
    """End all logins of a user; raise UserNotFound, or InvalidInput for a password that will not do."""
    with Passwords(1, 0, memory_kib=settings.accounts.hash_memory_kib) as passwords:
        async with _open_office(settings) as office:
            user = await named(office.users, email)
            logins = await office.administration.set_password(user.id, await good_hash(passwords, password), _OPERATOR)
    return f"{user.email} has the new password. Ended: {logins} logins."


async def list_users(settings: Settings, search: AccountSearch) -> list[str]:
    """A line of JSON for each, newest first."""
    lines: list[str] = []
    before: UUID | None = None
    async with _open_office(settings) as office:
        while True:
            found, before = await office.administration.page(search, before=before, limit=_AT_A_TIME)
            lines += [_line(account) for account in found]
            if before is None:
                return lines


async def change_user(settings: Settings, email: str, change: AccountChange) -> str:
    """Raise UserNotFound or UnknownTier."""
    async with _open_office(settings) as office:
        user = await named(office.users, email)
        return _line(await office.administration.change(user.id, change, _OPERATOR))


async def log_out_user(settings: Settings, email: str) -> str:
    """End all logins and API keys of a user; raise UserNotFound."""
    async with _open_office(settings) as office:
        user = await named(office.users, email)
        revoked = await office.administration.revoke(user.id, _OPERATOR)
    return f"Ended: {revoked.logins} logins, {revoked.api_keys} API keys."


async def audit(settings: Settings, search: AuditSearch, email: str = "") -> None:
    """Write a line of JSON for each entry, newest first, of one user if there is an email; raise UserNotFound."""
    async with _open_office(settings) as office:
        if email:
            search = replace(search, about=(await named(office.users, email)).id)
        async with aclosing(office.administration.whole_audit(search)) as entries:
            async for entry in entries:
                sys.stdout.write(f"{_line(entry)}\n")


async def note_backup(settings: Settings) -> None:
    """It was made just now, by whatever makes it."""
    set_up_logging(settings.logs, sys.stderr)
    with database_url(settings.database) as url:
        async with open_database(url, settings.database) as database:
            await DoneTable(database.pool).note(BACKUP)


@asynccontextmanager
async def _open_office(settings: Settings) -> AsyncGenerator[_Office]:
    set_up_logging(settings.logs, sys.stderr)
    with database_url(settings.database) as url:
        async with open_database(url, settings.database) as database:
            tiers, log = read_tiers(settings.limits.tiers_file), AuditTable(database.pool)
            # Not by `app.access`, which takes seconds to import what lets callers in.
            administration = Administration(AdministrationTable(database.pool), log, tiers.names)
            yield _Office(users=UserTable(database), log=log, administration=administration)


def _line(told: Account | AuditEntry) -> str:
    return json.dumps(asdict(told), default=_told)


def _told(value: object) -> str:
    """Moments as the API tells them."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
