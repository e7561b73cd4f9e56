"""Users, and the one read every request makes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app.errors import EmailTaken
from app.persistence.accounts import USER_COLUMNS, User, UserRole
from app.persistence.audit import Actor, AuditEvent, by_user_sql
from app.persistence.credentials import BEHIND, PROOF_COLUMNS, Caller, Proof, scopes_of
from app.persistence.database import Database, database_errors, execute, fetch_all

_ADD: Final = f"""
INSERT INTO "user" (id, email, password_hash, created_at) VALUES (%(id)s, %(email)s, %(password_hash)s, now())
ON CONFLICT (email) DO NOTHING RETURNING {USER_COLUMNS}
"""
_FIND: Final = f'SELECT {USER_COLUMNS}, password_hash FROM "user" WHERE email = %(email)s'
_READ_CALLER: Final = {kind: f"SELECT {USER_COLUMNS}, {PROOF_COLUMNS} FROM {behind}" for kind, behind in BEHIND.items()}
# What was said while it was off is not remembered later either.
_SWITCH: Final = f"""
WITH skipped AS (
    UPDATE session SET remembered_until = now(), unremembered_since = NULL FROM "user"
     WHERE %(remembers)s AND session.user_id = %(user_id)s AND "user".id = session.user_id AND NOT "user".remembers
)
UPDATE "user" SET remembers = %(remembers)s WHERE id = %(user_id)s RETURNING {USER_COLUMNS}
"""


# Of somebody who changes it at the same moment, one comes first, and the other finds another hash.
_REPLACE_HASH: Final = """
UPDATE "user" SET password_hash = %(new_hash)s
 WHERE id = %(user_id)s AND password_hash IS NOT DISTINCT FROM %(old_hash)s::text AND disabled_at IS NULL RETURNING id
"""
# A statement of its own: it sees a login that waited for the one before to say whether its password still holds.
_END_LOGINS: Final = """
UPDATE login SET revoked_at = now() WHERE user_id = %(user_id)s AND revoked_at IS NULL AND id IS DISTINCT FROM %(but_id)s
"""
# Whoever could read the mail all the time need not be who has read along: what a stranger may have left behind goes or is silent.
_CLEAN_UP: Final = f"""
WITH gone AS (
    DELETE FROM api_key WHERE user_id = %(user_id)s RETURNING id
), silenced AS (
    UPDATE webhook SET is_on = false, off_reason = 'password_reset', updated_at = now() WHERE user_id = %(user_id)s AND is_on RETURNING id
), counted AS (
    SELECT %(user_id)s::uuid AS user_id, (SELECT count(*) FROM gone) AS api_keys, (SELECT count(*) FROM silenced) AS webhooks
)
{by_user_sql(AuditEvent.PASSWORD_RESET, "counted", "jsonb_build_object('api_keys', api_keys, 'webhooks', webhooks)")}
"""
# Who opens a link that was mailed has shown whose the address is.
_VERIFY_BY_MAIL: Final = f"""
WITH verified AS (
    UPDATE "user" SET email_verified_at = now() WHERE id = %(user_id)s AND email_verified_at IS NULL RETURNING id AS user_id
)
{by_user_sql(AuditEvent.EMAIL_VERIFIED, "verified")}
"""
_NOTE_CHANGE: Final = by_user_sql(AuditEvent.PASSWORD_CHANGED, "(SELECT %(user_id)s::uuid AS user_id) AS changed")
_REHASH: Final = 'UPDATE "user" SET password_hash = %(new_hash)s WHERE id = %(user_id)s AND password_hash = %(old_hash)s'
_VERIFY: Final = f"""
WITH verified AS (
    UPDATE "user" SET email_verified_at = now() WHERE id = %(user_id)s AND email = %(email)s AND email_verified_at IS NULL
    RETURNING id AS user_id
), told AS ({by_user_sql(AuditEvent.EMAIL_VERIFIED, "verified")})
SELECT FROM "user" WHERE id = %(user_id)s AND email = %(email)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChange:
    """`old_hash` is the one that was matched, or that a link was made for, None for who had none; `but_id` names the login that stays."""

    user_id: UUID
    old_hash: str | None
    new_hash: str
    but_id: UUID | None = None
    by_mail: bool = False


class UserTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, email: str, password_hash: str) -> User:
        """Raise EmailTaken when somebody has this normalised email."""
        rows = await fetch_all(self._database.pool, _ADD, {"id": uuid7(), "email": email, "password_hash": password_hash})
        if not rows:
            raise EmailTaken
        return user_of(rows[0])

    async def find(self, email: str) -> tuple[User, str | None] | None:
        """The user of this normalised email and the hash of their password, if they have one."""
        rows = await fetch_all(self._database.pool, _FIND, {"email": email})
        return (user_of(rows[0]), rows[0]["password_hash"]) if rows else None

    async def read(self, proof: Proof) -> Caller | None:
        """Whose it is, as long as it holds."""
        rows = await fetch_all(self._database.pool, _READ_CALLER[type(proof)], proof.values)
        return caller_of(rows[0]) if rows else None

    async def switch_memory(self, user_id: UUID, remembers: bool) -> User | None:
        """The user as they are then."""
        rows = await fetch_all(self._database.pool, _SWITCH, {"user_id": user_id, "remembers": remembers})
        return user_of(rows[0]) if rows else None

    async def change_password(self, change: PasswordChange, address: str | None) -> bool:
        """Set it, end all logins but the one it is changed from, and write the audit log; False when it is not the old one any more.

        By mail API keys end too, webhooks are switched off, and the email is verified.
        """
        actor = Actor(user_id=None, address=address)
        values = {**asdict(change), **actor.values}
        with database_errors():
            async with self._database.pool.connection() as connection, connection.transaction():
                if not (await connection.execute(_REPLACE_HASH, values)).rowcount:
                    return False
                await connection.execute(_END_LOGINS, values)
                await connection.execute(_CLEAN_UP if change.by_mail else _NOTE_CHANGE, values)
                if change.by_mail:
                    await connection.execute(_VERIFY_BY_MAIL, {**values, **actor.values})  # with another id
        return True

    async def rehash(self, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """The same password, hashed as it is hashed today; False when it is another hash by now."""
        return await execute(self._database.pool, _REHASH, {"user_id": user_id, "old_hash": old_hash, "new_hash": new_hash}) > 0

    async def verify_email(self, user_id: UUID, email: str, address: str | None) -> bool:
        """False when the user is gone, or has another email."""
        return (
            await execute(self._database.pool, _VERIFY, {"user_id": user_id, "email": email, **Actor(user_id=None, address=address).values})
            > 0
        )


def user_of(row: Mapping[str, Any], prefix: str = "") -> User:
    """From a row that has USER_COLUMNS, or OWNER_COLUMNS with the prefix `user_`."""
    return User(
        id=row[f"{prefix}id"],
        email=row[f"{prefix}email"],
        remembers=row[f"{prefix}remembers"],
        role=UserRole(row[f"{prefix}role"]),
        tier=row[f"{prefix}tier"],
        email_verified_at=row[f"{prefix}email_verified_at"],
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
