"""Accounts elsewhere, and whom each of them is here."""

from contextlib import suppress
from typing import Final

from psycopg import Rollback
from psycopg.errors import UniqueViolation
from uuid_utils.compat import uuid7

from app.persistence.accounts import USER_COLUMNS, User
from app.persistence.audit import Actor, AuditEvent, by_user_sql
from app.persistence.database import Pool, database_errors, execute, fetch_all
from app.persistence.users import user_of

_FIND: Final = f"""
SELECT {USER_COLUMNS} FROM identity JOIN "user" ON "user".id = identity.user_id
 WHERE issuer = %(issuer)s AND subject = %(subject)s AND pending_hash IS NULL
"""
_ADD_USER: Final = f"""
INSERT INTO "user" (id, email, remembers, email_verified_at, created_at)
VALUES (%(user_id)s, %(email)s, true, now(), now()) RETURNING {USER_COLUMNS}
"""
# What only waits for a password opens nothing, and gives way.
_KEEP: Final = """
ON CONFLICT (issuer, subject) DO UPDATE SET user_id = excluded.user_id, pending_hash = excluded.pending_hash, created_at = now()
   WHERE identity.pending_hash IS NOT NULL
"""
_ADD: Final = f"""
WITH added AS (
    INSERT INTO identity (id, user_id, issuer, subject, created_at) VALUES (%(id)s, %(user_id)s, %(issuer)s, %(subject)s, now()) {_KEEP}
    RETURNING user_id
)
{by_user_sql(AuditEvent.IDENTITY_ADDED, "added")}
"""
_PROPOSE: Final = f"""
INSERT INTO identity (id, user_id, issuer, subject, pending_hash, created_at)
SELECT %(id)s, id, %(issuer)s, %(subject)s, %(pending_hash)s, now() FROM "user"
 WHERE email = %(email)s AND password_hash IS NOT NULL {_KEEP}
"""
_CONFIRM: Final = f"""
WITH joined AS (
    UPDATE identity SET pending_hash = NULL
     WHERE user_id = %(user_id)s AND pending_hash = %(pending_hash)s AND created_at > now() - interval '10 minutes' RETURNING user_id
)
{by_user_sql(AuditEvent.IDENTITY_JOINED, "joined")}
"""


class IdentityTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, issuer: str, subject: str) -> User | None:
        rows = await fetch_all(self._pool, _FIND, {"issuer": issuer, "subject": subject})
        return user_of(rows[0]) if rows else None

    async def add(self, issuer: str, subject: str, email: str, address: str | None) -> User | None:
        """A new user, who has no password; None when somebody has the email, or the identity."""
        actor = Actor(user_id=uuid7(), address=address)
        named = {"id": uuid7(), "user_id": actor.user_id, "issuer": issuer, "subject": subject, "email": email}
        values = {**named, **actor.values}
        with database_errors(), suppress(UniqueViolation):
            async with self._pool.connection() as connection, connection.transaction():
                row = await (await connection.execute(_ADD_USER, values)).fetchone()
                if row and (await connection.execute(_ADD, values)).rowcount:
                    return user_of(row)
                raise Rollback
        return None

    async def propose(self, issuer: str, subject: str, email: str, pending_hash: bytes) -> None:
        """Have it wait for the password of the account that has the email, where that has one."""
        values = {"id": uuid7(), "issuer": issuer, "subject": subject, "email": email, "pending_hash": pending_hash}
        await execute(self._pool, _PROPOSE, values)

    async def confirm(self, pending_hash: bytes, actor: Actor) -> None:
        """It opens their account from now on, if it waits for that and not for too long."""
        values = {"user_id": actor.user_id, "pending_hash": pending_hash, **actor.values}
        await execute(self._pool, _CONFIRM, values)
