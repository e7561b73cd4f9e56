"""What the agent needs of a long-term memory."""

from collections.abc import Sequence
from typing import Protocol


class Memory(Protocol):
    async def recall(self, user_id: str, query: str) -> Sequence[str]:
        """Return the facts about the user that fit the query, best first; empty when none do."""
        ...
