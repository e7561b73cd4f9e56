"""Vectors of two embedders cannot be compared: refuse to mix them, and give every memory a new one when the embedder changes."""

from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

from app.llm.embedding import Embedder, other_embedder
from app.persistence.database import BEFORE_ALL
from app.persistence.memory_vectors import Remembered

_BATCH: Final = 100


class Vectors(Protocol):
    async def adopt(self) -> str | None: ...
    async def switch(self) -> None: ...
    async def foreign(self, after: UUID, limit: int) -> Sequence[Remembered]: ...
    async def replace(self, memories: Sequence[Remembered], vectors: Sequence[Sequence[float]]) -> int: ...


async def check_embedder(vectors: Vectors, embedder: Embedder) -> None:
    """Raise SettingsInvalid when the vectors that are kept are another embedder's."""
    if other := await vectors.adopt():
        raise other_embedder(embedder.name, other)


async def reembed(vectors: Vectors, embedder: Embedder) -> int:
    """Give every memory a vector of this embedder, and then have servers start with it; return how many there were.

    Servers of the old settings may go on meanwhile: they recall what is still theirs, and what they add is done in the last pass, or
    when this is called again. It goes on where an earlier call was broken off. Raise ModelError or DatabaseUnavailable.
    """
    done = 0
    while changed := await _pass(vectors, embedder):
        done += changed
    await vectors.switch()
    return done + await _pass(vectors, embedder)


async def _pass(vectors: Vectors, embedder: Embedder) -> int:
    done, after = 0, BEFORE_ALL
    while found := await vectors.foreign(after, _BATCH):
        done += await vectors.replace(found, await embedder.embed([memory.text for memory in found]))
        after = found[-1].id
    return done
