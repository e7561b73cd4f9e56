"""Work that nobody waits for: names, what has expired, what is old."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Final, Protocol
from uuid import UUID

import structlog

from app.agent.naming import name_conversation
from app.errors import AppError
from app.llm.asking import Asker
from app.llm.models import Models
from app.llm.response_cache import ResponseCache
from app.persistence.sessions import FirstTurn
from app.runs.ledger import Ledger
from app.runs.walk import log_crash
from app.settings import WorkerSettings

_CRASH_PAUSE_SECONDS: Final = 1
_PRUNING_SECONDS: Final = 60
_SESSIONS_AT_ONCE: Final = 100
_BEFORE_ALL: Final = UUID(int=0)

log = structlog.get_logger()


class NameStore(Protocol):
    async def first_turn(self, session_id: UUID) -> FirstTurn | None: ...
    async def name(self, session_id: UUID, name: str | None) -> None: ...


class EventStore(Protocol):
    async def forget(self, older_than_seconds: float) -> int: ...


class TemporaryStore(Protocol):
    async def over(self, silent_seconds: float, *, after: UUID, limit: int) -> Sequence[UUID]: ...
    async def delete(self, session_id: UUID, silent_seconds: float) -> bool: ...


class CheckpointStore(Protocol):
    async def prunable(self, after: UUID, limit: int) -> Sequence[UUID]: ...
    async def prune(self, session_id: UUID, kept: int) -> int: ...


async def kept_up(chore: Callable[[], Awaitable[None]]) -> None:
    """Begin a chore again that an error has ended: without it the server would live on and do nothing."""
    while True:
        try:
            await chore()
        except Exception as error:  # noqa: BLE001  # the boundary of work that nobody asked for
            log_crash("chore_crashed", error)
        await asyncio.sleep(_CRASH_PAUSE_SECONDS)


async def name_session(
    store: NameStore, models: Models, ledger: Ledger, settings: WorkerSettings, session_id: UUID, *, cache: ResponseCache | None
) -> None:
    """Have a model name a session after its first answer; the first words stay where it cannot."""
    if turn := await store.first_turn(session_id):
        kept = cache.of(str(turn.user_id)) if cache and turn.cache else None
        async with ledger.hearing(turn.user_id, session_id) as hearer:
            name = await _name(Asker(models, None, hearer, kept), settings.naming_seconds, turn) if not models.choice.is_demo else None
        await store.name(session_id, name)


async def _name(asker: Asker, seconds: float, turn: FirstTurn) -> str | None:
    try:
        async with asyncio.timeout(seconds):
            return await name_conversation(asker, turn.question, turn.answer)
    except (AppError, TimeoutError) as error:
        log.warning("session_not_named", error=type(error).__name__)
        return None


async def forget_events(store: EventStore, older_than_seconds: float) -> None:
    if rows := await store.forget(older_than_seconds):
        log.info("events_forgotten", rows=rows)


async def end_temporary_sessions(store: TemporaryStore, silent_seconds: float) -> None:
    """Delete the temporary sessions in which nothing was said for so long, with all there is of them."""
    ended, after = 0, _BEFORE_ALL
    while found := await store.over(silent_seconds, after=after, limit=_SESSIONS_AT_ONCE):
        for after in found:
            ended += await _ended(store, after, silent_seconds)
    if ended:
        log.info("temporary_sessions_ended", sessions=ended)


async def _ended(store: TemporaryStore, session_id: UUID, silent_seconds: float) -> bool:
    try:
        return await store.delete(session_id, silent_seconds)
    except AppError as error:  # one that cannot be deleted does not keep the others from it
        log.warning("temporary_session_not_ended", session_id=str(session_id), error=error.code)
        return False


async def prune_checkpoints(store: CheckpointStore, kept: int) -> None:
    """Go through the sessions that have been talked in since the last time, for a minute at most; the others wait for the next."""
    enough, dropped, after = monotonic() + _PRUNING_SECONDS, 0, _BEFORE_ALL
    while monotonic() < enough and (found := await store.prunable(after, _SESSIONS_AT_ONCE)):
        for after in found:
            dropped += await _pruned(store, after, kept)
    if dropped:
        log.info("checkpoints_pruned", checkpoints=dropped)


async def _pruned(store: CheckpointStore, session_id: UUID, kept: int) -> int:
    try:
        return await store.prune(session_id, kept)
    except AppError as error:  # one that cannot be pruned does not keep the others from it
        log.warning("session_not_pruned", session_id=str(session_id), error=error.code)
        return 0
