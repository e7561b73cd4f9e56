"""Users: the everyday way through SQLModel, and the one read every request makes in plain SQL."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import sqlalchemy.exc
from sqlmodel import select

from app.errors import EmailTaken
from app.persistence.account_tables import UserRow
from app.persistence.accounts import USER_COLUMNS, User, UserRole
from app.persistence.credentials import BEHIND, PROOF_COLUMNS, Caller, Proof, scopes_of
from app.persistence.database import Database, database_errors, fetch_all

_READ_CALLER: Final = {kind: f"SELECT {USER_COLUMNS}, {PROOF_COLUMNS} FROM {behind}" for kind, behind in BEHIND.items()}
# What was said while it was off is not remembered later either.
_SWITCH: Final = f"""
WITH skipped AS (
    UPDATE session SET remembered_until = now(), unremembered_since = NULL FROM "user"
     WHERE %(remembers)s AND session.user_id = %(user_id)s AND "user".id = session.user_id AND NOT "user".remembers
)
UPDATE "user" SET remembers = %(remembers)s WHERE id = %(user_id)s RETURNING {USER_COLUMNS}
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

    async def find(self, email: str) -> tuple[User, str | None] | None:
        """The user of this normalised email and the hash of their password, if they have one."""
        with database_errors():
            async with self._database.query() as session:
                row = (await session.exec(select(UserRow).where(UserRow.email == email))).one_or_none()
        return (_user(row), row.password_hash) if row else None

    async def read(self, proof: Proof) -> Caller | None:
        """Whose it is, as long as it holds."""
        rows = await fetch_all(self._database.pool, _READ_CALLER[type(proof)], proof.values)
        return caller_of(rows[0]) if rows else None

    async def switch_memory(self, user_id: UUID, remembers: bool) -> User | None:
        """The user as they are then."""
        rows = await fetch_all(self._database.pool, _SWITCH, {"user_id": user_id, "remembers": remembers})
        return user_of(rows[0]) if rows else None


def _user(row: UserRow) -> User:
    return User(id=row.id, email=row.email, remembers=row.remembers, role=UserRole(row.role), tier=row.tier, created_at=row.created_at)


def user_of(row: Mapping[str, Any], prefix: str = "") -> User:
    """From a row that has USER_COLUMNS, or OWNER_COLUMNS with the prefix `user_`."""
    return User(
        id=row[f"{prefix}id"],
        email=row[f"{prefix}email"],
        remembers=row[f"{prefix}remembers"],
        role=UserRole(row[f"{prefix}role"]),
        tier=row[f"{prefix}tier"],
        created_at=row[f"{prefix}created_at"],
    )


def caller_of(row: Mapping[str, Any], prefix: str = "") -> Caller:
    """From a row that has PROOF_COLUMNS too."""
    return Caller(
        user=user_of(row, prefix),
        login_id=row["proof_login_id"],
        by_page=row["proof_by_page"],
        logged_in_at=row["proof_logged_in_at"],
        key_id=row["proof_key_id"],
        scopes=scopes_of(row["proof_scopes"]),
    )
