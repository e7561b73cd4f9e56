"""Users: the everyday way through SQLModel, and the one read every request makes in plain SQL."""

from typing import Final
from uuid import UUID

import sqlalchemy.exc
from psycopg.rows import class_row
from sqlmodel import select

from app.errors import EmailTaken
from app.persistence.database import Database, database_errors, fetch_all
from app.persistence.tables import UserRow
from app.persistence.values import User

_READ_USER: Final = 'SELECT id, email, remembers, created_at FROM "user" WHERE id = %(user_id)s'
# What was said while it was off is not remembered later either.
_SWITCH: Final = """
WITH skipped AS (
    UPDATE session SET remembered_until = now(), unremembered_since = NULL FROM "user"
     WHERE %(remembers)s AND session.user_id = %(user_id)s AND "user".id = session.user_id AND NOT "user".remembers
)
UPDATE "user" SET remembers = %(remembers)s WHERE id = %(user_id)s RETURNING id, email, remembers, created_at
"""


class UserTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, email: str, password_hash: str) -> User:
        """Raise EmailTaken when somebody has this normalised email."""
        row = UserRow(email=email, password_hash=password_hash)
        with database_errors():
            async with self._database.query() as session:
                session.add(row)
                try:
                    await session.commit()
                except sqlalchemy.exc.IntegrityError as error:
                    raise EmailTaken from error
        return _user(row)

    async def find(self, email: str) -> tuple[User, str] | None:
        """The user of this normalised email and the hash of their password."""
        with database_errors():
            async with self._database.query() as session:
                row = (await session.exec(select(UserRow).where(UserRow.email == email))).one_or_none()
        return (_user(row), row.password_hash) if row else None

    async def read(self, user_id: UUID) -> User | None:
        with database_errors():
            async with self._database.pool.connection() as connection, connection.cursor(row_factory=class_row(User)) as cursor:
                await cursor.execute(_READ_USER, {"user_id": user_id})
                return await cursor.fetchone()

    async def switch_memory(self, user_id: UUID, remembers: bool) -> User | None:
        """The user as they are then."""
        rows = await fetch_all(self._database.pool, _SWITCH, {"user_id": user_id, "remembers": remembers})
        return User(**rows[0]) if rows else None


def _user(row: UserRow) -> User:
    return User(id=row.id, email=row.email, remembers=row.remembers, created_at=row.created_at)
