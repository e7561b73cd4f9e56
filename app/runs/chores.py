"""Work that nobody waits for: names, what has expired, what is old."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Final, Protocol
from uuid import UUID

import structlog

from app.agent.naming import name_conversation
from app.crashes import log_crash
from app.errors import AppError
from app.llm.asking import Asker
from app.llm.models import Models
from app.llm.response_cache import ResponseCache
from app.persistence.database import BEFORE_ALL
from app.persistence.sessions import FirstTurn
from app.runs.ledger import Ledger
from app.settings import WorkerSettings

_CRASH_PAUSE_SECONDS: Final = 1
_PRUNING_SECONDS: Final = 60
_SESSIONS_AT_ONCE: Final = 100

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


class Find(Protocol):
    async def __call__(self, *, after: UUID) -> Sequence[UUID]:
        """The next sessions after this one, by their ids; empty after the last."""
        ...


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
    find = partial(store.over, silent_seconds, limit=_SESSIONS_AT_ONCE)
    end = partial(store.delete, silent_seconds=silent_seconds)
    if ended := await _for_each(find, end, failing="temporary_session_not_ended"):
        log.info("temporary_sessions_ended", sessions=ended)


async def prune_checkpoints(store: CheckpointStore, kept: int) -> None:
    """Go through the sessions that have been talked in since the last time, for a minute at most; the others wait for the next."""
    find, prune = partial(store.prunable, limit=_SESSIONS_AT_ONCE), partial(store.prune, kept=kept)
    if dropped := await _for_each(find, prune, failing="session_not_pruned", within_seconds=_PRUNING_SECONDS):
        log.info("checkpoints_pruned", checkpoints=dropped)


async def _for_each(find: Find, do: Callable[[UUID], Awaitable[int]], *, failing: str, within_seconds: float = math.inf) -> int:
    """Do it for each session that is found, page by page, and return what it came to in all."""
    enough, done, after = monotonic() + within_seconds, 0, BEFORE_ALL
    while monotonic() < enough and (found := await find(after=after)):
        for after in found:
            try:
                done += await do(after)
            except AppError as error:  # one for which it cannot be done does not keep the others from it
                log.warning(failing, session_id=str(after), error=error.code)
    return done
