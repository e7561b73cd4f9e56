"""Begin to recall as soon as a run is taken, while its checkpoint is read."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from app.agent.memory import Memory


@asynccontextmanager
async def recalling(memory: Memory, user_id: str, query: str) -> AsyncGenerator[Memory]:
    """A memory for one run, which gives what has been begun here; the time that recall may take runs from here, too."""
    begun = asyncio.create_task(_begin(memory, user_id, query), name="recall_ahead")
    try:
        yield _Begun(memory, (user_id, query), begun)
    finally:
        begun.cancel()
        await asyncio.wait([begun])  # which takes no time: a search that goes on is left to itself
        if not begun.cancelled():
            begun.exception()  # if nobody has asked for it, asyncio would log it with all its words


async def _begin(memory: Memory, user_id: str, query: str) -> Sequence[str]:
    return await memory.recall(user_id, query)


class _Begun:
    def __init__(self, memory: Memory, asked: tuple[str, str], begun: asyncio.Task[Sequence[str]]) -> None:
        self._memory = memory
        self._asked = asked
        self._begun: asyncio.Task[Sequence[str]] | None = begun

    async def recall(self, user_id: str, query: str) -> Sequence[str]:
        """The first time and for the same question what was begun; else it is asked anew."""
        begun, self._begun = self._begun, None
        if begun and (user_id, query) == self._asked:
            return await begun
        return await self._memory.recall(user_id, query)
