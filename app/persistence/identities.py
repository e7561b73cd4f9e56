"""Accounts elsewhere, and whom each of them is here."""

from typing import Final

from psycopg.errors import UniqueViolation
from uuid_utils.compat import uuid7

from app.persistence.accounts import USER_COLUMNS, User
from app.persistence.database import Pool, database_errors, fetch_all
from app.persistence.users import user_of

_FIND: Final = f"""
SELECT {USER_COLUMNS} FROM identity JOIN "user" ON "user".id = identity.user_id WHERE issuer = %(issuer)s AND subject = %(subject)s
"""
_ADD_USER: Final = f"""
INSERT INTO "user" (id, email, remembers, created_at) VALUES (%(user_id)s, %(email)s, true, now()) RETURNING {USER_COLUMNS}
"""
_ADD: Final = """
INSERT INTO identity (id, user_id, issuer, subject, created_at) VALUES (%(id)s, %(user_id)s, %(issuer)s, %(subject)s, now())
"""


class IdentityTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, issuer: str, subject: str) -> User | None:
        rows = await fetch_all(self._pool, _FIND, {"issuer": issuer, "subject": subject})
        return user_of(rows[0]) if rows else None

    async def add(self, issuer: str, subject: str, email: str) -> User | None:
        """A new user, who has no password; None when somebody has the email, or the identity."""
        values = {"id": uuid7(), "user_id": uuid7(), "issuer": issuer, "subject": subject, "email": email}
        with database_errors():
            try:
                async with self._pool.connection() as connection, connection.transaction():
                    row = await (await connection.execute(_ADD_USER, values)).fetchone()
                    await connection.execute(_ADD, values)
            except UniqueViolation:
                return None
        return user_of(row) if row else None
