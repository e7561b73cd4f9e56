"""API keys: rows that a key's hash finds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app.errors import NotAuthenticated
from app.persistence.audit import Actor, AuditEvent, by_user_sql
from app.persistence.credentials import Caller, Scope, scopes_of
from app.persistence.database import Pool, database_errors, fetch_all

_COLUMNS: Final = "id, name, start, scopes, expires_at, last_used_at, created_at"
# Two that are made at once are counted one after the other.
_LOCK_USER: Final = 'SELECT FROM "user" WHERE id = %(user_id)s FOR UPDATE'
# A statement of its own, after the wait: who has just been shut out must not leave themselves a key.
_IS_STILL_IN: Final = "SELECT FROM login WHERE id = %(login_id)s AND user_id = %(user_id)s AND revoked_at IS NULL"
_ADD: Final = f"""
WITH made AS (
    INSERT INTO api_key (id, user_id, name, start, hash, scopes, expires_at, created_at)
    SELECT %(id)s, %(user_id)s, %(name)s, %(start)s, %(hash)s, %(scopes)s, %(expires_at)s, now()
     WHERE (SELECT count(*) FROM api_key WHERE user_id = %(user_id)s) < %(most)s RETURNING user_id, {_COLUMNS}
), audited AS (
    {by_user_sql(AuditEvent.API_KEY_MADE, "made", "jsonb_build_object('key_id', id, 'scopes', scopes)")}
)
SELECT {_COLUMNS} FROM made
"""
_OF_USER: Final = f"SELECT {_COLUMNS} FROM api_key WHERE user_id = %(user_id)s ORDER BY id DESC"
_DELETE: Final = f"""
WITH gone AS (
    DELETE FROM api_key WHERE id = %(id)s AND user_id = %(user_id)s RETURNING id, user_id
), audited AS (
    {by_user_sql(AuditEvent.API_KEY_REVOKED, "gone", "jsonb_build_object('key_id', id)")}
)
SELECT id FROM gone
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is told of a key once it has been shown; `start` are its first characters."""

    id: UUID
    name: str
    start: str
    scopes: frozenset[Scope]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    name: str
    start: str
    hash: bytes
    scopes: Collection[Scope]
    expires_at: datetime | None


class ApiKeyTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, caller: Caller, new: NewApiKey, most: int, actor: Actor) -> ApiKey | None:
        """None for a user who has as many as they may; raise NotAuthenticated for one whose login has just ended."""
        values = {
            "id": uuid7(),
            "user_id": caller.user.id,
            "login_id": caller.login_id,
            "name": new.name,
            "start": new.start,
            "hash": new.hash,
            "scopes": sorted(new.scopes),
            "expires_at": new.expires_at,
            "most": most,
            **actor.values,
        }
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_LOCK_USER, values)
                if not (await connection.execute(_IS_STILL_IN, values)).rowcount:
                    raise NotAuthenticated
                row = await (await connection.execute(_ADD, values)).fetchone()
        return _key(row) if row else None

    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]:
        """Newest first."""
        return [_key(row) for row in await fetch_all(self._pool, _OF_USER, {"user_id": user_id})]

    async def delete(self, user_id: UUID, key_id: UUID, actor: Actor) -> bool:
        """False when they have no such key."""
        return bool(await fetch_all(self._pool, _DELETE, {"user_id": user_id, "id": key_id, **actor.values}))


def _key(row: dict[str, object]) -> ApiKey:
    return ApiKey(**{**row, "scopes": scopes_of(row["scopes"])})  # type: ignore[arg-type]  # the columns are its fields
