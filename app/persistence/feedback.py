"""What users think of answers."""

from typing import Final
from uuid import UUID

from app.persistence.database import Pool, execute, fetch_all
from app.persistence.jobs import defer_sql, job_sql
from app.persistence.values import Judgement

_KEEP: Final = """
INSERT INTO feedback (message_id, user_id, score, comment, created_at, updated_at)
SELECT message.id, session.user_id, %(score)s, %(comment)s, now(), now() FROM message JOIN session ON session.id = message.session_id
 WHERE message.id = %(message_id)s AND message.role = 'assistant' AND session.user_id = %(user_id)s
ON CONFLICT (message_id) DO UPDATE SET score = excluded.score, comment = excluded.comment, updated_at = excluded.updated_at
"""
_KEEP_AND_TELL: Final = f"""
WITH kept AS ({_KEEP} RETURNING message_id)
SELECT {defer_sql(f"ARRAY[{job_sql('score_answer', 'message_id', 'message_id')}]")} FROM kept
"""
_JUDGED: Final = """
SELECT message.id AS message_id, message.run_id, feedback.score, feedback.comment, feedback.created_at, feedback.updated_at
  FROM feedback JOIN message ON message.id = feedback.message_id WHERE feedback.message_id = %(message_id)s
"""


class FeedbackTable:
    def __init__(self, pool: Pool, *, tells: bool = False) -> None:
        """One that `tells` has a job done for each, `score_answer`."""
        self._pool = pool
        self._keep = _KEEP_AND_TELL if tells else _KEEP

    async def keep(self, user_id: UUID, message_id: UUID, score: int, comment: str) -> bool:
        """Write it in the place of what they thought before; False when this is no answer of theirs."""
        values = {"user_id": user_id, "message_id": message_id, "score": score, "comment": comment}
        return await execute(self._pool, self._keep, values) > 0

    async def judged(self, message_id: UUID) -> Judgement | None:
        """What is thought of an answer now."""
        found = await fetch_all(self._pool, _JUDGED, {"message_id": message_id})
        return Judgement(**found[0]) if found else None
