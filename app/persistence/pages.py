"""Logins of the page: rows that a cookie's hash finds."""

from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app.persistence.database import Pool, execute

_OPEN: Final = """
INSERT INTO login (id, user_id, page_hash, seen_at, created_at)
SELECT %(id)s, id, %(page_hash)s, now(), now() FROM "user" WHERE id = %(user_id)s AND disabled_at IS NULL
"""
_END: Final = "UPDATE login SET revoked_at = now() WHERE page_hash = %(page_hash)s AND revoked_at IS NULL"


class PageTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, user_id: UUID, page_hash: bytes) -> bool:
        """False for a user who is gone or may not come in."""
        return await execute(self._pool, _OPEN, {"id": uuid7(), "user_id": user_id, "page_hash": page_hash}) > 0

    async def end(self, page_hash: bytes) -> None:
        await execute(self._pool, _END, {"page_hash": page_hash})
