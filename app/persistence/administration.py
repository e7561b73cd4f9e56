"""What operators see and change of accounts, each change in one statement with what the audit log says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from app.persistence.accounts import UserRole
from app.persistence.audit import AUDITED_SQL, Actor, AuditEvent
from app.persistence.channels import EVENTS, STOPS
from app.persistence.database import Pool, database_errors, fetch_all
from app.persistence.states import LIVE_SQL

_COLUMNS: Final = "id, email, role, tier, disabled_at, created_at"
_ONE: Final = f'SELECT {_COLUMNS} FROM "user" WHERE id = %(user_id)s'
_PAGE: Final = f"""
SELECT {_COLUMNS} FROM "user"
 WHERE (%(before)s::uuid IS NULL OR id < %(before)s) AND (%(search)s = '' OR strpos(email, lower(%(search)s)) > 0)
   AND (%(role)s::text IS NULL OR role = %(role)s) AND (%(tier)s::text IS NULL OR tier = %(tier)s)
   AND (%(disabled)s::boolean IS NULL OR (disabled_at IS NOT NULL) = %(disabled)s)
 ORDER BY id DESC LIMIT %(limit)s
"""
_ENDED_SQL: Final = "UPDATE login SET revoked_at = now() FROM changed WHERE login.user_id = changed.id AND login.revoked_at IS NULL"
# What is being answered to somebody who may not come in is stopped, wherever it is made.
_STOPPED_SQL: Final = f"""
    UPDATE run SET stop_requested = true FROM changed
     WHERE %(disabled)s AND run.user_id = changed.id AND run.{LIVE_SQL} RETURNING run.id
"""
_CHANGE: Final = f"""
WITH changed AS (
    UPDATE "user" SET role = coalesce(%(role)s, role), tier = coalesce(%(tier)s, tier),
           disabled_at = CASE WHEN %(disabled)s::boolean IS NULL THEN disabled_at WHEN %(disabled)s THEN coalesce(disabled_at, now()) END
     WHERE id = %(user_id)s RETURNING {_COLUMNS}
), ended AS (
    {_ENDED_SQL} AND changed.disabled_at IS NOT NULL
), forgotten AS (
    -- Another tier may have counted nothing meanwhile: they are made anew from the ledger.
    DELETE FROM quota USING changed WHERE quota.user_id = changed.id AND %(tier)s::text IS NOT NULL
), stopped AS ({_STOPPED_SQL}), audited AS (
    {AUDITED_SQL.format(user_id="changed.id", details="%(details)s")} FROM changed
)
SELECT *, (SELECT count(pg_notify('{STOPS}', id::text)) + count(pg_notify('{EVENTS}', id::text)) FROM stopped) AS told FROM changed
"""
_REVOKE: Final = f"""
WITH changed AS (
    SELECT id FROM "user" WHERE id = %(user_id)s
), ended AS (
    {_ENDED_SQL} RETURNING login.id
), gone AS (
    DELETE FROM api_key USING changed WHERE api_key.user_id = changed.id RETURNING api_key.id
), revoked AS (
    SELECT id, (SELECT count(*) FROM ended) AS logins, (SELECT count(*) FROM gone) AS api_keys FROM changed
), audited AS (
    {AUDITED_SQL.format(user_id="revoked.id", details="jsonb_build_object('logins', logins, 'api_keys', api_keys)")} FROM revoked
)
SELECT logins, api_keys FROM revoked
"""
_SET_PASSWORD: Final = f"""
WITH changed AS (
    UPDATE "user" SET password_hash = %(password_hash)s WHERE id = %(user_id)s RETURNING id
), ended AS (
    {_ENDED_SQL} RETURNING login.id
), counted AS (
    SELECT id, (SELECT count(*) FROM ended) AS logins FROM changed
), audited AS (
    {AUDITED_SQL.format(user_id="counted.id", details="jsonb_build_object('logins', logins)")} FROM counted
)
SELECT logins FROM counted
"""
# Before a statement that shuts somebody out: it then sees the login, or the key, of who came in at the same moment.
_LOCK_USER: Final = 'SELECT FROM "user" WHERE id = %(user_id)s FOR NO KEY UPDATE'


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user as an operator sees them."""

    id: UUID
    email: str
    role: UserRole
    tier: str
    disabled_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSearch:
    """Which users: part of an email, a role, a tier, whether they are shut out; what is not set does not matter."""

    email: str = ""
    role: UserRole | None = None
    tier: str | None = None
    disabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """What is None stays as it is."""

    role: UserRole | None = None
    tier: str | None = None
    disabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """How many of a user's there were."""

    logins: int
    api_keys: int


class AdministrationTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, user_id: UUID) -> Account | None:
        found = await self._accounts(_ONE, user_id=user_id)
        return found[0] if found else None

    async def page(self, search: AccountSearch, *, before: UUID | None, limit: int) -> Sequence[Account]:
        """The newest first, of those older than `before`."""
        return await self._accounts(
            _PAGE, before=before, limit=limit, search=search.email, role=search.role, tier=search.tier, disabled=search.disabled
        )

    async def change(self, user_id: UUID, change: AccountChange, actor: Actor) -> Account | None:
        """The user as they are then; who is shut out has no login any more, and their runs are stopped."""
        new = {"role": change.role, "tier": change.tier, "disabled": change.disabled}
        details = Jsonb({name: value for name, value in new.items() if value is not None})
        values = {**actor.values, **new, "user_id": user_id, "event": AuditEvent.ACCOUNT_CHANGED, "details": details}
        row = await self._alone(_CHANGE, values)
        return _account(row) if row else None

    async def revoke(self, user_id: UUID, actor: Actor) -> Revoked | None:
        """End all logins and API keys; None when there is no such user."""
        row = await self._alone(_REVOKE, {**actor.values, "user_id": user_id, "event": AuditEvent.TOKENS_REVOKED})
        return Revoked(**row) if row else None

    async def set_password(self, user_id: UUID, password_hash: str, actor: Actor) -> int | None:
        """End all logins, and return how many there were; None when there is no such user."""
        values = {**actor.values, "user_id": user_id, "password_hash": password_hash, "event": AuditEvent.PASSWORD_CHANGED}
        row = await self._alone(_SET_PASSWORD, values)
        return int(row["logins"]) if row else None

    async def _alone(self, statement: str, values: Mapping[str, object]) -> Mapping[str, Any] | None:
        """The row of one statement about a user, while nobody comes in as them or makes a key."""
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_LOCK_USER, values)
                return await (await connection.execute(statement, values)).fetchone()

    async def _accounts(self, statement: str, **values: object) -> Sequence[Account]:
        return [_account(row) for row in await fetch_all(self._pool, statement, values)]


def _account(row: Mapping[str, Any]) -> Account:
    return Account(**{name: row[name] for name in ("id", "email", "tier", "disabled_at", "created_at")}, role=UserRole(row["role"]))
