"""The runs of a user that other servers may not have heard the end of."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.persistence.database import Pool, fetch_all

_RECENT: Final = "SELECT id FROM run WHERE user_id = %(user_id)s AND created_at > now() - interval '1 hour' ORDER BY id"


async def recent_runs(pool: Pool, user_id: UUID) -> Sequence[UUID]:
    """Those of the last hour."""
    return [row["id"] for row in await fetch_all(pool, _RECENT, {"user_id": user_id})]
