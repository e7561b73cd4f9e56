"""Mail to users: who asks for a link puts a job into the queue, and whoever sends it reads here what it says."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.persistence.database import Pool, execute, fetch_all
from app.persistence.jobs import defer_sql, job_sql

# More often than this nobody is written to, however often a stranger asks for it.
_PAUSE: Final = "interval '1 minute'"


class Letter(StrEnum):
    """By the names of their jobs."""

    RESET = "mail_password_reset"
    VERIFICATION = "mail_verification"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    user_id: UUID
    email: str
    password_hash: str | None


_SENT_AT: Final = {Letter.RESET: "reset_mailed_at", Letter.VERIFICATION: "verification_mailed_at"}
# A job too for an email that nobody has, so that asking takes as long: it is about nobody, and does nothing.
_ASK: Final = {
    letter: f"""
SELECT {defer_sql(f"ARRAY[{job_sql(letter, 'user_id', 'coalesce((SELECT id FROM "user" WHERE email = %(email)s), gen_random_uuid())')}]")}
"""
    for letter in Letter
}
_CLAIM: Final = {
    letter: f"""
UPDATE "user" SET {sent_at} = now()
 WHERE id = %(user_id)s AND disabled_at IS NULL AND ({sent_at} IS NULL OR {sent_at} < now() - {_PAUSE})
   {"AND email_verified_at IS NULL" if letter is Letter.VERIFICATION else ""}
RETURNING id AS user_id, email, password_hash
"""
    for letter, sent_at in _SENT_AT.items()
}
_UNSENT: Final = {letter: f'UPDATE "user" SET {sent_at} = NULL WHERE id = %(user_id)s' for letter, sent_at in _SENT_AT.items()}
_FIND: Final = 'SELECT id AS user_id, email, password_hash FROM "user" WHERE id = %(user_id)s AND disabled_at IS NULL'


class MailTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ask(self, letter: Letter, email: str) -> None:
        """Have a worker write to whoever has this normalised email, if anybody has."""
        await fetch_all(self._pool, _ASK[letter], {"email": email})

    async def claim(self, letter: Letter, user_id: UUID) -> Addressee | None:
        """To whom it goes; None when they are gone, need it no more, or were sent one just now."""
        rows = await fetch_all(self._pool, _CLAIM[letter], {"user_id": user_id})
        return Addressee(**rows[0]) if rows else None

    async def unsent(self, letter: Letter, user_id: UUID) -> None:
        """It could not be sent, and may be tried again at once."""
        await execute(self._pool, _UNSENT[letter], {"user_id": user_id})

    async def find(self, user_id: UUID) -> Addressee | None:
        """Who comes with a link; None when they are gone or may not come in."""
        rows = await fetch_all(self._pool, _FIND, {"user_id": user_id})
        return Addressee(**rows[0]) if rows else None
