"""What users think of answers."""

from typing import Final
from uuid import UUID

from app.persistence.database import Pool, execute

_KEEP: Final = """
INSERT INTO feedback (message_id, user_id, score, comment, created_at, updated_at)
SELECT message.id, session.user_id, %(score)s, %(comment)s, now(), now() FROM message JOIN session ON session.id = message.session_id
 WHERE message.id = %(message_id)s AND message.role = 'assistant' AND session.user_id = %(user_id)s
ON CONFLICT (message_id) DO UPDATE SET score = excluded.score, comment = excluded.comment, updated_at = excluded.updated_at
"""


class FeedbackTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, user_id: UUID, message_id: UUID, score: int, comment: str) -> bool:
        """Write it in the place of what they thought before; False when this is no answer of theirs."""
        values = {"user_id": user_id, "message_id": message_id, "score": score, "comment": comment}
        return await execute(self._pool, _KEEP, values) > 0
