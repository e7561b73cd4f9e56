"""Logins: what all tokens that come from one entry of a password have in common."""

from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app.persistence.database import Pool, execute

_OPEN: Final = """
INSERT INTO login (id, user_id, created_at) SELECT %(id)s, id, now() FROM "user" WHERE id = %(user_id)s AND disabled_at IS NULL
"""


class LoginTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, user_id: UUID) -> UUID | None:
        """The new login; None for a user who is gone or may not come in."""
        login_id = uuid7()
        return login_id if await execute(self._pool, _OPEN, {"id": login_id, "user_id": user_id}) else None
