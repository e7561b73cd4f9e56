"""What the commands for accounts do: make an administrator, list and change users, read the audit log."""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

from app.access import administration_on
from app.accounts.administration import Administration, make_admin
from app.accounts.passwords import Passwords
from app.accounts.users import named
from app.observability.logging import set_up_logging
from app.persistence.address import database_url
from app.persistence.administration import Account, AccountChange, AccountSearch
from app.persistence.audit import Actor, AuditSearch
from app.persistence.database import open_database
from app.persistence.users import UserTable
from app.settings import Settings, read_tiers

_AT_A_TIME: Final = 200
# Whoever sits at the machine; the log has no name for them.
_OPERATOR: Final = Actor(user_id=None, address=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Office:
    users: UserTable
    administration: Administration


async def create_admin(settings: Settings, email: str, password: str) -> str:
    """Raise EmailTaken, or InvalidInput for a password that will not do."""
    with Passwords(1, 0) as passwords:
        async with _open_office(settings) as office:
            account = await make_admin(office.users, passwords, office.administration, email, password)
    return _line(account)


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


async def audit(settings: Settings, search: AuditSearch) -> None:
    """Write a line of JSON for each entry, newest first."""
    async with _open_office(settings) as office, aclosing(office.administration.whole_audit(search)) as entries:
        async for entry in entries:
            sys.stdout.write(f"{json.dumps(asdict(entry), default=str)}\n")


@asynccontextmanager
async def _open_office(settings: Settings) -> AsyncGenerator[_Office]:
    set_up_logging(settings.logs, sys.stderr)
    with database_url(settings.database) as url:
        async with open_database(url, settings.database) as database:
            tiers = read_tiers(settings.limits.tiers_file)
            yield _Office(users=UserTable(database), administration=administration_on(database.pool, tiers))


def _line(account: Account) -> str:
    return json.dumps(asdict(account), default=str)
