"""The audit log: who did what, to whom, when and from where. Rows are added; the database itself refuses to have them changed."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from app.persistence.database import Pool, database_errors, execute

_COLUMNS: Final = "id, event, user_id, actor_id, address, details, created_at"
# For a statement of ours that does what is noted, so that neither is there without the other.
AUDITED_SQL: Final = """
INSERT INTO audit (id, event, user_id, actor_id, address, details, created_at)
SELECT %(audit_id)s, %(event)s, {user_id}, %(actor_id)s, %(address)s, {details}, now()
"""
# By itself: whoever is erased at this moment is waited for, and then neither named nor placed.
_ADD: Final = """
WITH of_user AS (
    SELECT id FROM "user" WHERE id = %(user_id)s FOR KEY SHARE
), of_actor AS (
    SELECT id FROM "user" WHERE id = %(actor_id)s FOR KEY SHARE
), named AS (
    SELECT (SELECT id FROM of_user) AS user_id, (SELECT id FROM of_actor) AS actor_id
)
INSERT INTO audit (id, event, user_id, actor_id, address, details, created_at)
SELECT %(audit_id)s, %(event)s, user_id, actor_id,
       CASE WHEN user_id IS NOT DISTINCT FROM %(user_id)s AND actor_id IS NOT DISTINCT FROM %(actor_id)s THEN %(address)s END,
       %(details)s, now()
  FROM named
"""
_READ: Final = f"""
SELECT {_COLUMNS} FROM audit
 WHERE (%(before)s::uuid IS NULL OR id < %(before)s) AND (%(event)s = '' OR event = %(event)s)
   AND (%(about)s::uuid IS NULL OR user_id = %(about)s OR actor_id = %(about)s)
   AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
 ORDER BY id DESC
"""
_PAGE: Final = f"{_READ} LIMIT %(limit)s"
_ROWS_AT_ONCE: Final = 500


class AuditEvent(StrEnum):
    """All that the log tells of: what users themselves do, or others to their accounts."""

    REGISTERED = "registered"
    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    LOCKED = "locked"
    REFRESH_REUSED = "refresh_reused"
    LOGGED_OUT = "logged_out"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # an event's name
    PASSWORD_RESET = "password_reset"  # noqa: S105  # an event's name
    EMAIL_VERIFIED = "email_verified"
    API_KEY_MADE = "api_key_made"
    API_KEY_REVOKED = "api_key_revoked"
    IDENTITY_ADDED = "identity_added"
    IDENTITY_JOINED = "identity_joined"
    WEBHOOK_MADE = "webhook_made"
    WEBHOOK_CHANGED = "webhook_changed"
    WEBHOOK_SECRET_CHANGED = "webhook_secret_changed"  # noqa: S105  # an event's name
    WEBHOOK_DELETED = "webhook_deleted"
    ACCOUNT_CHANGED = "account_changed"
    TOKENS_REVOKED = "tokens_revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """`user_id` is whom it is about, `actor_id` who did it, `address` where they were; None where there is none, or no longer."""

    id: UUID
    event: str
    user_id: UUID | None
    actor_id: UUID | None
    address: str | None
    details: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something that is noted, and where they are; None for the operator at a command line."""

    user_id: UUID | None
    address: str | None

    @property
    def values(self) -> Mapping[str, object]:
        return {"actor_id": self.user_id, "address": self.address, "audit_id": uuid7()}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSearch:
    """Which entries: of one event, about or by one user, since a moment; what is not set does not matter."""

    event: str = ""
    about: UUID | None = None
    since: datetime | None = None

    @property
    def values(self) -> Mapping[str, object]:
        return {"event": self.event, "about": self.about, "since": self.since}


def by_user_sql(event: AuditEvent, source: str, details: str = "'{}'", actor_id: str = "user_id") -> str:
    """As AUDITED_SQL, for what users do themselves: one entry if `source`, which has a user_id, has rows."""
    return f"""
INSERT INTO audit (id, event, user_id, actor_id, address, details, created_at)
SELECT %(audit_id)s, '{event}', user_id, {actor_id}, %(address)s, {details}, now() FROM {source} LIMIT 1
"""


class AuditTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, event: str, user_id: UUID | None, actor: Actor, details: Mapping[str, Any] | None = None) -> None:
        """Note it; `details` have nothing personal in them, for they outlive the user."""
        await execute(self._pool, _ADD, {**actor.values, "event": event, "user_id": user_id, "details": Jsonb({**(details or {})})})

    async def page(self, search: AuditSearch, *, before: UUID | None, limit: int) -> Sequence[AuditEntry]:
        """The newest first, of those older than `before`."""
        values = {**search.values, "before": before, "limit": limit}
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(AuditEntry)) as cursor:
                return await (await cursor.execute(_PAGE, values)).fetchall()

    async def read(self, search: AuditSearch) -> AsyncGenerator[AuditEntry]:
        """All of them, newest first, some rows in memory at a time."""
        values = {**search.values, "before": None}
        with database_errors():
            async with (
                self._pool.connection() as connection,
                connection.transaction(),
                connection.cursor(name="audit", row_factory=class_row(AuditEntry)) as cursor,
            ):
                await cursor.execute(_READ, values)
                while found := await cursor.fetchmany(_ROWS_AT_ONCE):
                    for entry in found:
                        yield entry
