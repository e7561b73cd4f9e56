"""What users think of answers."""

from typing import Protocol
from uuid import UUID

from app.errors import MessageNotFound


class FeedbackStore(Protocol):
    async def keep(self, user_id: UUID, message_id: UUID, score: int, comment: str) -> bool: ...


class Feedback:
    def __init__(self, store: FeedbackStore) -> None:
        self._store = store

    async def give(self, user_id: UUID, message_id: UUID, score: int, comment: str) -> None:
        """Raise MessageNotFound for what is no answer of this user's."""
        if not await self._store.keep(user_id, message_id, score, comment):
            raise MessageNotFound("There is no such answer.")
