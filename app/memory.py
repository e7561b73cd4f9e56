"""Open the long-term memory: what compares texts, what is kept of each user, and recall, which joins the two."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.llm.embedding import Embedder, choose_embedder, open_embedder, threshold
from app.persistence.address import database_url
from app.persistence.database import Pool, open_database
from app.persistence.memory_search import MemorySearch
from app.persistence.memory_vectors import MemoryVectors
from app.runs.recall import Recall
from app.runs.reembedding import check_embedder, reembed
from app.settings import Settings


@asynccontextmanager
async def open_memory_embedder(settings: Settings, pool: Pool) -> AsyncGenerator[Embedder | None]:
    """None when memory is off; raise SettingsInvalid when the vectors that are kept are another embedder's."""
    if not settings.memory.is_on:
        yield None
        return
    async with _open_embedder(settings) as embedder:
        await check_embedder(_vectors(embedder, pool), embedder)
        yield embedder


def recall_of(embedder: Embedder, settings: Settings, pool: Pool) -> Recall:
    search = MemorySearch(pool, embedder=embedder.name, dimensions=embedder.dimensions)
    return Recall(embedder, search, settings.memory, threshold(settings.memory, choose_embedder(settings.memory, settings.models)))


async def reembed_memories(settings: Settings) -> tuple[int, str]:
    """Give all memories a vector of the embedder in the settings; return how many there were, and its name."""
    with database_url(settings.database) as url:
        async with open_database(url, settings.database) as database, _open_embedder(settings) as embedder:
            return await reembed(_vectors(embedder, database.pool), embedder), embedder.name


@asynccontextmanager
async def _open_embedder(settings: Settings) -> AsyncGenerator[Embedder]:
    async with open_embedder(choose_embedder(settings.memory, settings.models), settings.memory.embedding_seconds) as embedder:
        yield embedder


def _vectors(embedder: Embedder, pool: Pool) -> MemoryVectors:
    return MemoryVectors(pool, embedder=embedder.name, dimensions=embedder.dimensions)
