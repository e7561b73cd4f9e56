"""Webhooks in plain SQL: whose they are, what they are told of, and what their secrets are made from."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from app.persistence.audit import Actor, AuditEvent, by_user_sql
from app.persistence.database import Pool, database_errors, fetch_all
from app.persistence.webhook_values import NewWebhook, Seed, Webhook, WebhookChange

_COLUMNS: Final = "id, url, statuses, session_id, include_message, is_on, off_reason, failing_since, created_at, updated_at"


def _audited(event: AuditEvent, source: str, *more: str) -> str:
    """The entry says which, and never where: an address may have a secret in it, and outlives nobody."""
    return by_user_sql(event, source, f"jsonb_build_object({', '.join(("'webhook_id', id", *more))})")


# Two that are added at once are counted one after the other; runs of the user go on meanwhile.
_LOCK_USER: Final = 'SELECT FROM "user" WHERE id = %(user_id)s FOR NO KEY UPDATE'
_ADD: Final = f"""
WITH made AS (
    INSERT INTO webhook (id, user_id, session_id, url, statuses, include_message, is_on, salt, key_name, created_at, updated_at)
    SELECT %(id)s, "user".id, %(session_id)s, %(url)s, %(statuses)s, %(include_message)s, true, %(salt)s, %(key_name)s, now(), now()
      FROM "user" WHERE "user".id = %(user_id)s AND (SELECT count(*) FROM webhook WHERE user_id = %(user_id)s) < %(most)s
       AND (%(session_id)s::uuid IS NULL OR EXISTS (SELECT FROM session WHERE id = %(session_id)s AND user_id = %(user_id)s))
    RETURNING user_id, {_COLUMNS}
), audited AS ({_audited(AuditEvent.WEBHOOK_MADE, "made", "'tells_messages', include_message")})
SELECT {_COLUMNS} FROM made
"""
_OWNS_SESSION: Final = "SELECT FROM session WHERE id = %(session_id)s AND user_id = %(user_id)s"
_ALL: Final = f"SELECT {_COLUMNS} FROM webhook WHERE user_id = %(user_id)s ORDER BY id"
_FIND: Final = f"SELECT {_COLUMNS} FROM webhook WHERE id = %(id)s AND user_id = %(user_id)s"
# One that is switched on begins anew: what it missed before does not count against it.
_CHANGE: Final = f"""
WITH changed AS (
    UPDATE webhook SET url = coalesce(%(url)s, url), statuses = coalesce(%(statuses)s, statuses), updated_at = now(),
           include_message = coalesce(%(include_message)s, include_message), is_on = coalesce(%(is_on)s, is_on),
           off_reason = CASE %(is_on)s::boolean WHEN true THEN NULL WHEN false THEN 'by_user' ELSE off_reason END,
           failing_since = CASE WHEN %(is_on)s::boolean OR %(url)s <> url THEN NULL ELSE failing_since END
     WHERE id = %(id)s AND user_id = %(user_id)s RETURNING user_id, {_COLUMNS}
), audited AS ({_audited(AuditEvent.WEBHOOK_CHANGED, "changed", "'changed', %(names)s::text[]")})
SELECT {_COLUMNS} FROM changed
"""
_ROLL: Final = f"""
WITH rolled AS (
    UPDATE webhook SET old_salt = salt, old_key_name = key_name, old_ends_at = now() + make_interval(hours => %(hours)s),
           salt = %(salt)s, key_name = %(key_name)s, updated_at = now()
     WHERE id = %(id)s AND user_id = %(user_id)s RETURNING id, user_id
), audited AS ({_audited(AuditEvent.WEBHOOK_SECRET_CHANGED, "rolled")})
SELECT id FROM rolled
"""
_DELETE: Final = f"""
WITH gone AS (
    DELETE FROM webhook WHERE id = %(id)s AND user_id = %(user_id)s RETURNING id, user_id
), audited AS ({_audited(AuditEvent.WEBHOOK_DELETED, "gone")})
SELECT id FROM gone
"""


class WebhookTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, new: NewWebhook, most: int, actor: Actor) -> Webhook | None:
        """None, and nothing added, when the user has so many, or is gone."""
        values = {name: getattr(new, name) for name in ("id", "user_id", "url", "session_id", "include_message")}
        values |= {"statuses": [*new.statuses], "salt": new.seed.salt, "key_name": new.seed.key_name, "most": most, **actor.values}
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_LOCK_USER, values)
                async with connection.cursor(row_factory=class_row(Webhook)) as cursor:
                    await cursor.execute(_ADD, values)
                    return await cursor.fetchone()

    async def owns_session(self, user_id: UUID, session_id: UUID) -> bool:
        return bool(await fetch_all(self._pool, _OWNS_SESSION, {"user_id": user_id, "session_id": session_id}))

    async def all(self, user_id: UUID) -> Sequence[Webhook]:
        """In the order they were made."""
        return [Webhook(**row) for row in await fetch_all(self._pool, _ALL, {"user_id": user_id})]

    async def find(self, user_id: UUID, webhook_id: UUID) -> Webhook | None:
        return await self._one(_FIND, {"id": webhook_id, "user_id": user_id})

    async def change(self, user_id: UUID, webhook_id: UUID, change: WebhookChange, actor: Actor) -> Webhook | None:
        """None when it is not the user's."""
        statuses = None if change.statuses is None else [*change.statuses]
        values = {"url": change.url, "statuses": statuses, "include_message": change.include_message, "is_on": change.is_on}
        names = [name for name, value in values.items() if value is not None]
        return await self._one(_CHANGE, {**values, "names": names, "id": webhook_id, "user_id": user_id, **actor.values})

    async def roll(self, user_id: UUID, webhook_id: UUID, seed: Seed, hours: int, actor: Actor) -> bool:
        """Give it another secret; the one before is good for so many hours more. False when it is not the user's."""
        values = {"id": webhook_id, "user_id": user_id, "salt": seed.salt, "key_name": seed.key_name, "hours": hours}
        return bool(await fetch_all(self._pool, _ROLL, {**values, **actor.values}))

    async def delete(self, user_id: UUID, webhook_id: UUID, actor: Actor) -> bool:
        """With all that is known of its deliveries; False when it is not the user's."""
        return bool(await fetch_all(self._pool, _DELETE, {"id": webhook_id, "user_id": user_id, **actor.values}))

    async def _one(self, statement: str, values: dict[str, Any]) -> Webhook | None:
        rows = await fetch_all(self._pool, statement, values)
        return Webhook(**rows[0]) if rows else None
