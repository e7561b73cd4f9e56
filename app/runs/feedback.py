"""What users think of answers, and who else is told of it."""

from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from app.errors import MessageNotFound
from app.persistence.values import Judgement

# Who changes their mind while it is told is heard again; who does so all the time is heard by the jobs of those other times.
_MOST_TIMES: Final = 5


class FeedbackStore(Protocol):
    async def keep(self, user_id: UUID, message_id: UUID, score: int, comment: str) -> bool: ...


class Judgements(Protocol):
    async def judged(self, message_id: UUID) -> Judgement | None: ...


class Scores(Protocol):
    def wants(self, run_id: UUID) -> bool:
        """Whether there is a trace to give a score to."""
        ...

    async def score(self, score_id: UUID, run_id: UUID, value: int, comment: str, given_at: datetime) -> None:
        """The same id and time take the place of what was said before; raise an AppError."""
        ...


class Feedback:
    def __init__(self, store: FeedbackStore) -> None:
        self._store = store

    async def give(self, user_id: UUID, message_id: UUID, score: int, comment: str) -> None:
        """Raise MessageNotFound for what is no answer of this user's."""
        if not await self._store.keep(user_id, message_id, score, comment):
            raise MessageNotFound("There is no such answer.")


async def score_answer(judgements: Judgements, scores: Scores, message_id: UUID) -> None:
    """Give an answer's trace the score that its user has given it last; nothing where they are gone."""
    told: Judgement | None = None
    for _ in range(_MOST_TIMES):
        judged = await judgements.judged(message_id)
        # Two jobs may be done side by side: each looks once more whether it has told the latest.
        if judged is None or judged == told or not scores.wants(judged.run_id):
            return
        await scores.score(judged.message_id, judged.run_id, judged.score, judged.comment, judged.created_at)
        told = judged
