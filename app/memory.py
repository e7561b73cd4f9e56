"""Open the long-term memory: what compares texts, what is kept of each user, and what recalls and remembers with both."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from app.agent.hooks.masking import MaskedEmbedder
from app.llm.embedding import Embedder, choose_embedder, open_embedder, threshold
from app.llm.models import Models
from app.persistence.address import database_url
from app.persistence.awaiting import once_there_is_a_schema
from app.persistence.database import Pool, open_database
from app.persistence.extraction import open_extraction
from app.persistence.memory_search import MemorySearch
from app.persistence.memory_vectors import MemoryVectors
from app.persistence.queue import EVERY_MINUTE, EVERY_THREE_SECONDS, Chore
from app.persistence.remembering import RememberingTable
from app.runs.ledger import Ledger
from app.runs.recall import Recall
from app.runs.reembedding import check_embedder, reembed
from app.runs.remembering import Remembering
from app.settings import Settings

_EXTRACTION_THREADS: Final = 4


@asynccontextmanager
async def open_memory(settings: Settings, pool: Pool) -> AsyncGenerator[tuple[Embedder | None, Recall | None]]:
    """Nothing when memory is off; raise SettingsInvalid when the vectors that are kept are another embedder's."""
    if not settings.memory.is_on:
        yield None, None
        return
    async with (
        _open_embedder(settings) as embedder,
        once_there_is_a_schema(partial(check_embedder, _vectors(embedder, pool), embedder)),
    ):
        yield embedder, _recall_of(embedder, settings, pool)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundWork:
    """What the worker does for the memory: a job about a session, and what puts such jobs into the queue."""

    job: Callable[[UUID], Awaitable[None]]
    chores: Sequence[Chore]


@asynccontextmanager
async def open_remembering(
    settings: Settings, models: Models, ledger: Ledger, pool: Pool, embedder: Embedder | None
) -> AsyncGenerator[BackgroundWork]:
    """Nothing is remembered while memory is off."""
    if not embedder:
        skip = Chore(name="skip_remembering", cron=EVERY_MINUTE, do=RememberingTable(pool).skip_all)
        yield BackgroundWork(job=_leave, chores=[skip])
        return
    async with open_extraction(settings.database.data_dir / "mem0", threads=_EXTRACTION_THREADS) as extraction:
        remembering = Remembering(
            store=RememberingTable(pool),
            models=models,
            ledger=ledger,
            embedder=embedder,
            extraction=extraction,
            settings=settings.remembering,
        )
        # Not at the end of a run: a burst of turns is read at once, and a statement that puts no job there costs no answer anything.
        look = Chore(name="queue_remembering", cron=EVERY_THREE_SECONDS, do=remembering.queue_due)
        yield BackgroundWork(job=remembering.remember, chores=[look])


async def _leave(_: UUID) -> None:
    """What was queued while memory was still on."""


def _recall_of(embedder: Embedder, settings: Settings, pool: Pool) -> Recall:
    search = MemorySearch(pool, embedder=embedder.name, dimensions=embedder.dimensions)
    return Recall(embedder, search, settings.memory, threshold(settings.memory, choose_embedder(settings.memory, settings.models)))


async def reembed_memories(settings: Settings) -> tuple[int, str]:
    """Give all memories a vector of the embedder in the settings; return how many there were, and its name."""
    with database_url(settings.database) as url:
        async with open_database(url, settings.database) as database, _open_embedder(settings) as embedder:
            return await reembed(_vectors(embedder, database.pool), embedder), embedder.name


@asynccontextmanager
async def _open_embedder(settings: Settings) -> AsyncGenerator[Embedder]:
    choice = choose_embedder(settings.memory, settings.models)
    async with open_embedder(choice, settings.memory.embedding_seconds) as embedder:
        yield MaskedEmbedder(embedder) if settings.hooks.masks and choice.model else embedder


def _vectors(embedder: Embedder, pool: Pool) -> MemoryVectors:
    return MemoryVectors(pool, embedder=embedder.name, dimensions=embedder.dimensions)
