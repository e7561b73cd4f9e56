"""What happens to one user message: a run is started once, read from anywhere, and stopped by whoever asks for it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from uuid import UUID

import structlog

from app.agent.registry import Agents
from app.errors import AppError, MessageNotFound, RunNotFound, ServerBusy, ServerStopping
from app.llm.asking import Asker
from app.llm.attachments import Attached
from app.llm.models import Models
from app.llm.response_cache import ResponseCache
from app.persistence.accounts import User
from app.persistence.quota_values import Wish
from app.persistence.turn_values import QueuedRun, WaitingRun
from app.persistence.values import Attachment, Claim, FinishedRun, Run, RunStatus, Session, TakenRun
from app.runs.asking import Ask, Place, new_run, taken_run
from app.runs.attempts import Attempts
from app.runs.bulletin import Bulletin
from app.runs.ending import never_begun
from app.runs.events import Reset, Started
from app.runs.flush import Flusher
from app.runs.log import RunLog
from app.runs.quotas import Quotas, Watch, model_for
from app.runs.stream import Story
from app.runs.tail import Tails
from app.runs.telling import tell_claimed, tell_never_begun
from app.runs.tracing import Tracing, begin_trace
from app.runs.turns import Turns, TurnStore
from app.runs.walk import FIRST_ATTEMPT, Bench, LiveRun
from app.settings import RunSettings

_RETRY_SECONDS: Final = 1
# What is left of the time to drain when runs are asked to stop at their next step.
_LAST_PART: Final = 0.2
_LOOK_SECONDS: Final = 0.05

log = structlog.get_logger()


class RunStore(Protocol):
    async def read(self, user_id: UUID, run_id: UUID) -> Run | None: ...
    async def finish(self, run: FinishedRun, from_statuses: Sequence[RunStatus] = ...) -> bool: ...
    async def queued(self, run_id: UUID) -> QueuedRun | None: ...
    async def request_stop(self, run_id: UUID) -> None: ...
    async def release_queued(self) -> None: ...
    async def take_queued(self, run_id: UUID) -> TakenRun | None: ...


class AttachmentContents(Protocol):
    async def content(self, user_id: UUID, attachment_id: UUID, most_bytes: int | None = None) -> bytes | None: ...


class PastTurns(Protocol):
    async def turn_of(self, session_id: UUID, message_id: UUID) -> tuple[UUID | None, str, Sequence[Attachment]] | None: ...
    async def last_message(self, session_id: UUID) -> UUID | None: ...
    async def unfinished_checkpoint(self, session_id: UUID) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who works on runs, and with what; `bench_of` gives what one attempt needs."""

    attempts: Attempts
    tails: Tails
    flusher: Flusher
    bulletin: Bulletin
    models: Models
    cache: ResponseCache | None
    attachments: AttachmentContents
    settings: RunSettings
    agents: Agents
    bench_of: Callable[[TakenRun], Bench]
    quotas: Quotas
    tracing: Tracing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    runs: RunStore
    turns: TurnStore
    past: PastTurns


class Runs:
    """Made by `open_runs`."""

    def __init__(self, crew: Crew, stores: Stores) -> None:
        self._crew = crew
        self._attempts = crew.attempts
        self._stores = stores
        self.turns = Turns(stores.turns, self.stop, crew.tails)
        self._claiming = 0
        self._stopping = asyncio.Event()
        self._stops: set[asyncio.Task[None]] = set()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    async def until_stopping(self) -> None:
        """Wait until the server takes no more runs."""
        await self._stopping.wait()

    @property
    def room(self) -> int:
        """How many more runs this process may work on."""
        return self._crew.settings.max_live_runs - len(self._attempts) - self._claiming

    async def start(self, ask: Ask) -> UUID:
        """Claim the session's turn and begin to answer; return the run, or the one that the same request started before.

        Raise UnknownAgent, UnknownModel, ModelNotAllowed, QuotaExceeded, TooManyRuns, ServerBusy, ServerStopping, SessionNotFound,
        MessageNotFound, TurnTooOld, IdempotencyKeyReused, EventsExpired, or SessionBusy with `active_run_id`.
        """
        agent = self._crew.agents.get(ask.agent)
        quotas = self._crew.quotas
        model = model_for(self._crew.models, quotas.tier(ask.user), ask.model or ask.config.get("model"), agent.model)
        with self.admitted():
            place = await self._place(ask)
            new = new_run(ask, place, model.spec.name, quotas.wish(ask.user, model, place.text, place.attachments))
            with quotas.refusing(ask.user):
                claim = await self.turns.take(new, ask.on_busy)
        if isinstance(claim, Run):
            await self._crew.tails.check(claim)
            return claim.id
        self.begin_claimed(taken_run(new, claim, ask.user), claim)
        return new.id

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Room for one more run, while it is claimed; raise ServerBusy or ServerStopping."""
        if self.is_stopping:
            raise ServerStopping
        if self.room <= 0:
            raise ServerBusy(retry_after=_RETRY_SECONDS)
        self._claiming += 1
        try:
            yield
        finally:
            self._claiming -= 1

    def begin_claimed(self, taken: TakenRun, claim: Claim) -> None:
        """Begin with what this process has just claimed, unless it is queued."""
        tell_claimed(claim)
        if not claim.queued:
            self.begin(taken)

    def begin(self, taken: TakenRun) -> None:
        """Make an attempt at a run that this process has taken."""
        started = Started(run_id=str(taken.id), session_id=str(taken.session_id))
        again = Reset(reason="The server that was answering stopped.")
        self._attempts.begin(_live_run(self._crew, taken), started if taken.attempt == FIRST_ATTEMPT else again)
        self._crew.bulletin.tell(str(taken.id))
        if self.is_stopping:
            self._attempts.stop(taken.id, ServerStopping())

    async def make(self, run_id: UUID) -> None:
        """Make a run that was queued for a worker, and wait for its end; nothing happens to one that is begun or must wait."""
        if taken := await self._stores.runs.take_queued(run_id):
            self.begin(taken)
        if live := self._attempts.find(run_id):
            await live.ended.wait()

    async def read(self, user_id: UUID, run_id: UUID) -> Run:
        """Raise RunNotFound, for a run of somebody else's too."""
        if run := await self._stores.runs.read(user_id, run_id):
            return run
        raise RunNotFound

    def going_on(self, user: User, model: str) -> tuple[str, Wish | None]:
        """The model that goes on after a question, the one before if it may, and what to set aside for it; raise ModelNotAllowed."""
        crew = self._crew
        found = model_for(crew.models, crew.quotas.tier(user), None, model if model in crew.models else None)
        return found.spec.name, crew.quotas.wish(user, found)

    def refusing(self, user: User) -> AbstractContextManager[None]:
        """Raise QuotaExceeded or TooManyRuns for what a claim says of limits."""
        return self._crew.quotas.refusing(user)

    def watch(self, run_id: UUID) -> Watch | None:
        """What a run that this process makes knows of its user's quotas; None where there are none."""
        live = self._attempts.find(run_id)
        return live.watch if live else None

    async def live_run(self, session_id: UUID) -> UUID | None:
        return await self._stores.turns.live_run(session_id)

    async def waiting(self, session_id: UUID) -> Sequence[WaitingRun]:
        """The messages that wait for their turn, the next one first."""
        return await self._stores.turns.waiting(session_id)

    async def next_nodes(self, session: Session) -> list[str]:
        """What the graph has still to do where the session's branch ends."""
        checkpoint = await self._stores.past.unfinished_checkpoint(session.id)
        place = {"thread_id": str(session.id), "checkpoint_id": checkpoint}
        return [*(await self._crew.agents.graph(session.agent).aget_state({"configurable": place})).next] if checkpoint else []

    async def stop(self, run_id: UUID) -> None:
        """Stop a run wherever it is made, or before it is; it keeps what it has said."""
        if self._attempts.find(run_id):
            self._attempts.stop(run_id)
        elif not await self._drop_queued(run_id):
            await self._stores.runs.request_stop(run_id)

    def stop_soon(self, run_id: UUID) -> None:
        """Stop a run without waiting for anything, for a caller who is about to go."""
        if self.is_stopping:
            return  # it is the server that hangs up
        stopping = asyncio.create_task(self._stop_quietly(run_id), name=f"stop-{run_id}")
        self._stops.add(stopping)
        stopping.add_done_callback(self._stops.discard)

    async def _stop_quietly(self, run_id: UUID) -> None:
        try:
            await self.stop(run_id)
        except AppError as error:
            log.warning("run_not_stopped", run_id=str(run_id), error=error.code)

    async def stop_session(self, session_id: UUID) -> None:
        """Stop what is being answered in the session and what waits there; of what this process makes, wait for the end."""
        for run_id in await self._stores.turns.in_the_way(session_id):
            live = self._attempts.find(run_id)
            await self.stop(run_id)
            if live:
                await live.ended.wait()

    async def drain(self, seconds: float) -> None:
        """Take no more runs, and let the live ones come to their end, or at least to the end of a step, for so long."""
        self._stopping.set()
        log.info("draining", runs=len(self._attempts), seconds=seconds)
        await self._until_idle(seconds * (1 - _LAST_PART))
        for run in self._attempts:
            run.control.request_drain()
        await self._until_idle(seconds * _LAST_PART)

    async def close(self) -> None:
        """Take no more runs, and hand the live ones to whoever comes next."""
        self._stopping.set()
        with suppress(AppError):
            await self._stores.runs.release_queued()
        await self._attempts.close()
        self._crew.tails.close()

    async def _drop_queued(self, run_id: UUID) -> bool:
        queued = await self._stores.runs.queued(run_id)
        if queued is None or not await self._stores.runs.finish(never_begun(run_id, queued.message_id), [RunStatus.QUEUED]):
            return False
        tell_never_begun(queued)
        return True

    async def _until_idle(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self._attempts) or self._claiming:  # noqa: ASYNC110  # a server stops once
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _place(self, ask: Ask) -> Place:
        if ask.place:
            return ask.place
        if not ask.again:
            return Place(text=ask.text or "", attachments=ask.attachments or ())
        message_id = ask.instead_of or await self._stores.past.last_message(ask.session_id)
        turn = await self._stores.past.turn_of(ask.session_id, message_id) if message_id else None
        if turn is None:
            raise MessageNotFound
        parent_id, text, attachments = turn
        attachments = attachments if ask.attachments is None else ask.attachments
        return Place(text=ask.text or text, forks=True, parent_id=parent_id, attachments=attachments)


def _live_run(crew: Crew, taken: TakenRun) -> LiveRun:
    model = taken.model if taken.model in crew.models else crew.models.choice.default
    run_log = RunLog(taken.id, taken.attempt, crew.flusher.appended)
    story = Story(run_log, model, shows_reasoning=crew.models.choice.shows_reasoning)
    cache = crew.cache.of(str(taken.user.id)) if crew.cache and taken.cache else None
    attached = Attached(partial(crew.attachments.content, taken.user.id))
    tier, limits, trace = crew.quotas.tier(taken.user), crew.agents.limits(taken.agent), begin_trace(crew.tracing, taken)
    asker = Asker(
        crew.models,
        model,
        story,
        cache,
        attached,
        most_usd=limits.cost_usd,
        hooks=crew.agents.hooks(taken.agent),
        reservation=crew.quotas.reservation(taken, crew.models.get(model)),
        allowed=tier.models,
        watch=trace,
    )
    watch, bench = crew.quotas.watch(taken), crew.bench_of(taken)
    return LiveRun(taken=taken, asker=asker, bench=bench, log=run_log, story=story, watch=watch, tools=tier.tools, trace=trace)
