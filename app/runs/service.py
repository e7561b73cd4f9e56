"""What happens to one user message: a run is started once, read from anywhere, and stopped by whoever asks for it."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol
from uuid import UUID

from uuid_utils.compat import uuid7

from app.agent.graph import Agent
from app.errors import AttemptsExhausted, RunNotFound, ServerBusy, ServerStopping
from app.llm.models import Models
from app.persistence.values import NewRun, Run, TakenRun, User
from app.runs.attempts import Attempts
from app.runs.events import Reset, Started
from app.runs.flush import Flusher
from app.runs.log import RunLog
from app.runs.stream import Story
from app.runs.tail import Tails
from app.runs.turns import OnBusy, Turns, TurnStore
from app.runs.walk import FIRST_ATTEMPT, LiveRun
from app.settings import RunSettings

_TITLE_LENGTH: Final = 60
_RETRY_SECONDS: Final = 1


class RunStore(TurnStore, Protocol):
    async def read(self, user_id: UUID, run_id: UUID) -> Run | None: ...
    async def request_stop(self, run_id: UUID) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A user's message to a session; the same `idempotency_key` with the same words means the same run."""

    user: User
    session_id: UUID
    text: str
    model: str | None = None
    idempotency_key: str | None = None
    on_busy: OnBusy = OnBusy.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who works on runs, and with what; `agent_of` gives the agent whose checkpoints carry a run's attempt."""

    attempts: Attempts
    tails: Tails
    flusher: Flusher
    models: Models
    settings: RunSettings
    agent_of: Callable[[UUID, int], Agent]


class Runs:
    """Made by `open_runs`."""

    def __init__(self, crew: Crew, store: RunStore) -> None:
        self._crew = crew
        self._attempts = crew.attempts
        self._store = store
        self._turns = Turns(store, self.stop, crew.tails)
        self._claiming = 0
        self._stopping = False

    async def start(self, ask: Ask) -> UUID:
        """Claim the session's turn and begin to answer; return the run, or the one that the same request started before.

        Raise UnknownModel, ServerBusy, ServerStopping, SessionNotFound, IdempotencyKeyReused, EventsExpired,
        or SessionBusy with `active_run_id`.
        """
        model = self._crew.models.get(ask.model).spec.name
        if self._stopping:
            raise ServerStopping
        if len(self._attempts) + self._claiming >= self._crew.settings.max_live_runs:
            raise ServerBusy(retry_after=_RETRY_SECONDS)
        new = _new_run(ask, model)
        self._claiming += 1
        try:
            before = await self._turns.take(new, ask.on_busy)
        finally:
            self._claiming -= 1
        if before:
            await self._crew.tails.check(before)
            return before.id
        self._attempts.begin(_live_run(self._crew, _first_attempt(new, ask.user)), _started(new))
        return new.id

    def resume(self, lost: TakenRun) -> None:
        """Go on with a run that was taken over from a process that died."""
        self._attempts.begin(_live_run(self._crew, lost), Reset(reason="The server that was answering stopped."))
        if lost.attempt > self._crew.settings.max_attempts:
            self._attempts.stop(lost.id, AttemptsExhausted())

    async def read(self, user_id: UUID, run_id: UUID) -> Run:
        """Raise RunNotFound, for a run of somebody else's too."""
        if run := await self._store.read(user_id, run_id):
            return run
        raise RunNotFound

    async def live_run(self, session_id: UUID) -> UUID | None:
        return await self._store.live_run(session_id)

    async def stop(self, run_id: UUID) -> None:
        """Stop a run wherever it is made; it keeps what it has said."""
        if self._attempts.find(run_id):
            self._attempts.stop(run_id)
        else:
            await self._store.request_stop(run_id)

    def stop_here(self, run_id: UUID) -> None:
        """Stop a run that this process makes, without waiting for anything."""
        self._attempts.stop(run_id)

    async def stop_session(self, session_id: UUID) -> None:
        """Stop what this process is answering in the session, and wait until it has ended."""
        for run in self._attempts.of_session(session_id):
            self._attempts.stop(run.id)
            await run.ended.wait()

    async def close(self) -> None:
        """Take no more runs, and hand the live ones to whoever comes next."""
        self._stopping = True
        await self._attempts.close()


def _new_run(ask: Ask, model: str) -> NewRun:
    return NewRun(
        id=uuid7(),
        session_id=ask.session_id,
        user_id=ask.user.id,
        asked_id=uuid7(),  # before the answer's, for the transcript is ordered by id
        message_id=uuid7(),
        model=model,
        text=ask.text,
        title=_title(ask.text),
        idempotency_key=ask.idempotency_key,
        body_hash=sha256(f"{ask.session_id}\n{ask.model}\n{ask.text}".encode()).hexdigest(),
    )


def _first_attempt(new: NewRun, user: User) -> TakenRun:
    return TakenRun(
        id=new.id,
        session_id=new.session_id,
        attempt=FIRST_ATTEMPT,
        model=new.model,
        asked_id=new.asked_id,
        message_id=new.message_id,
        user=user,
        text=new.text,
    )


def _started(new: NewRun) -> Started:
    return Started(run_id=str(new.id), session_id=str(new.session_id))


def _live_run(crew: Crew, taken: TakenRun) -> LiveRun:
    model = crew.models.get(taken.model if taken.model in crew.models else None)
    log = RunLog(taken.id, taken.attempt, crew.flusher.appended)
    return LiveRun(
        id=taken.id,
        session_id=taken.session_id,
        asked_id=taken.asked_id,
        message_id=taken.message_id,
        user=taken.user,
        model=model,
        text=taken.text,
        agent=crew.agent_of(taken.id, taken.attempt),
        log=log,
        story=Story(log, model.spec),
    )


def _title(text: str) -> str:
    first_line = text.strip().partition("\n")[0].strip()
    return first_line if len(first_line) <= _TITLE_LENGTH else f"{first_line[: _TITLE_LENGTH - 1].rstrip()}…"
