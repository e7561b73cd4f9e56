"""Logins of the page: rows that a cookie's hash finds."""

from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app.persistence.accounts import Origin
from app.persistence.audit import Actor, AuditEvent, by_user_sql
from app.persistence.credentials import ENTERING
from app.persistence.database import Pool, fetch_all

_OPEN: Final = f"""
WITH entering AS ({ENTERING}), opened AS (
    INSERT INTO login (id, user_id, page_hash, address, user_agent, seen_at, created_at)
    SELECT %(id)s, user_id, %(page_hash)s, %(address)s, %(user_agent)s, now(), now() FROM entering RETURNING user_id
), told AS ({by_user_sql(AuditEvent.LOGGED_IN, "opened")})
SELECT user_id FROM opened
"""
_END: Final = f"""
WITH ended AS (
    UPDATE login SET revoked_at = now() WHERE page_hash = %(page_hash)s AND revoked_at IS NULL RETURNING user_id
), told AS ({by_user_sql(AuditEvent.LOGGED_OUT, "ended", """'{"logins": 1}'""")})
SELECT user_id FROM ended
"""


class PageTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, user_id: UUID, page_hash: bytes, origin: Origin, password_hash: str | None) -> bool:
        """False for a user who is gone, may not come in, or has another password by now; None is no password at all."""
        values = {"id": uuid7(), "user_id": user_id, "page_hash": page_hash, "password_hash": password_hash}
        actor = Actor(user_id=None, address=origin.address)
        return bool(await fetch_all(self._pool, _OPEN, {**values, "user_agent": origin.user_agent, **actor.values}))

    async def end(self, page_hash: bytes, address: str | None) -> None:
        await fetch_all(self._pool, _END, {"page_hash": page_hash, **Actor(user_id=None, address=address).values})
