"""When keys and pages were last used."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from app.persistence.database import Pool, execute

# To the minute is enough: a row that another process is noting is left to it.
_NOTE: Final = """
WITH keys AS (
    UPDATE api_key SET last_used_at = now() WHERE id IN (
        SELECT id FROM api_key WHERE id = ANY(%(keys)s) AND (last_used_at IS NULL OR last_used_at < now() - interval '30 seconds')
           FOR UPDATE SKIP LOCKED)
)
UPDATE login SET seen_at = now() WHERE id IN (
    SELECT id FROM login WHERE id = ANY(%(pages)s) AND seen_at < now() - interval '30 seconds' FOR UPDATE SKIP LOCKED)
"""


class UseTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note(self, keys: Collection[UUID], logins: Collection[UUID]) -> None:
        """They were used just now; of logins only those of pages are noted."""
        await execute(self._pool, _NOTE, {"keys": [*keys], "pages": [*logins]})
