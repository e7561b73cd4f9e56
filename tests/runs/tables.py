"""The tables of runs in memory: they keep the promises of app.persistence's statements, and can be made to fail."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver

from app.agent.spec import AgentGraph
from app.errors import AppError, DatabaseUnavailable, RunLost
from app.persistence.values import Entry, EventBatch, FinishedRun, Interrupt, NewRun, Resumption, Role, Run, RunStatus, TakenRun
from app.runs.bulletin import Bulletin
from app.runs.walk import Bench
from tests.fakes import ADA, StartsInMemory

LIVE: Final = (RunStatus.QUEUED, RunStatus.RUNNING)


@dataclass(slots=True, kw_only=True)
class Row:
    """A run's row; nobody's process keeps it any more when it is `free`."""

    run: Run
    asked: NewRun | Resumption
    owner: UUID | None
    waiting: bool
    from_checkpoint: str | None
    checkpoint: str | None = None
    crashes: int = 0
    free: bool = False
    stop_requested: bool = False

    @property
    def is_live(self) -> bool:
        return self.run.status in LIVE

    @property
    def has_turn(self) -> bool:
        return self.is_live and not self.waiting


@dataclass(slots=True, kw_only=True)
class Asked:
    """A question's row."""

    question: Interrupt
    session_id: UUID
    outcome: str = "open"
    answer: Any = None
    resumed_by: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message's row."""

    id: UUID
    session_id: UUID
    run_id: UUID
    role: Role
    content: str


@dataclass(slots=True)
class Tables:
    """What all processes share; `down` makes it unreachable.

    Ends wait for `finishing`, claims for `claiming` and events for `appending`. The next ends are met by `refusals`, each once,
    and of so many that are written the reply is lost.
    """

    rows: dict[UUID, Row] = field(default_factory=dict)
    heads: dict[UUID, UUID | None] = field(default_factory=dict)
    messages: list[Said] = field(default_factory=list)
    questions: dict[tuple[UUID, str], Asked] = field(default_factory=dict)
    log: dict[UUID, dict[int, Sequence[Entry]]] = field(default_factory=dict)
    checkpoints: InMemorySaver = field(default_factory=InMemorySaver)
    starts: dict[UUID, StartsInMemory] = field(default_factory=dict)
    jobs: list[UUID] = field(default_factory=list)  # runs that a worker is to make
    ears: list[asyncio.Event] = field(default_factory=list)  # of processes that want to know of runs to take
    bulletins: list[Bulletin] = field(default_factory=list)  # of processes that want to know of events
    strangers: set[UUID] = field(default_factory=set)  # sessions that are not the user's

    finished: list[FinishedRun] = field(default_factory=list)
    released: list[UUID] = field(default_factory=list)
    renewed: set[UUID] = field(default_factory=set)
    renewals: int = 0

    down: bool = False
    refusals: list[AppError] = field(default_factory=list)
    lost_replies: int = 0
    claims: int = 0  # how many claims have been asked for, be it that `claiming` holds them up
    ending: int = 0  # how many ends have been asked for, be it that `finishing` holds them up
    under_way: int = 0  # how many writes of events have begun and not ended, be it that `appending` holds them up
    finishing: asyncio.Event = field(default_factory=asyncio.Event)
    claiming: asyncio.Event = field(default_factory=asyncio.Event)
    appending: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        for gate in (self.finishing, self.claiming, self.appending):
            gate.set()

    async def reached(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise DatabaseUnavailable

    def status(self, run_id: UUID) -> RunStatus:
        return self.rows[run_id].run.status

    def holder(self, session_id: UUID) -> Row | None:
        """The run that has the session's turn."""
        return next((row for row in self.rows.values() if row.run.session_id == session_id and row.has_turn), None)

    def checkpoint_at(self, run_id: UUID | None) -> str | None:
        return self.rows[run_id].checkpoint if run_id else None

    def written(self, run_id: UUID) -> list[Entry]:
        """The run's events, with all that was written twice."""
        return [entry for _, entries in sorted(self.log.get(run_id, {}).items()) for entry in entries]

    def holds(self, run_id: UUID, attempt: int) -> bool:
        row = self.rows.get(run_id)
        return bool(row and row.is_live and row.run.attempt == attempt)

    def pass_turn(self, session_id: UUID) -> None:
        """Give the turn to the next that waits."""
        waiting = [row for row in self.rows.values() if row.run.session_id == session_id and row.is_live and row.waiting]
        if not waiting or self.holder(session_id):
            return
        row, head = waiting[0], self.heads.get(session_id)
        row.run, row.waiting, row.from_checkpoint = replace(row.run, parent_id=head), False, self.checkpoint_at(head)
        row.free = row.owner is None and not row.asked.background
        self.heads[session_id] = row.run.id
        if row.asked.background:
            self.jobs.append(row.run.id)
        else:
            self.tell()

    def tell(self) -> None:
        for ear in self.ears:
            ear.set()

    def write(self, run_id: UUID, entries: Sequence[Entry]) -> None:
        self.log.setdefault(run_id, {})[entries[0].sequence] = entries
        for bulletin in self.bulletins:
            bulletin.tell(str(run_id))

    def dies(self, run_id: UUID) -> None:
        """Have the lease of the run's process run out."""
        self.rows[run_id].free = True

    def taken_over(self, run_id: UUID) -> TakenRun:
        """Give the run to another attempt, as a process does that finds its lease expired."""
        self.dies(run_id)
        return self.take(self.rows[run_id], uuid4())

    def take(self, row: Row, owner: UUID) -> TakenRun:
        recovered = row.run.status is RunStatus.RUNNING and row.owner is not None
        if row.run.status is RunStatus.RUNNING:
            row.crashes += recovered
            row.run = replace(row.run, attempt=row.run.attempt + 1)
        row.run, row.owner, row.free = replace(row.run, status=RunStatus.RUNNING), owner, False
        run, parent = row.run, row.run.parent_id
        answers = {asked.question.id: asked.answer for asked in self.questions.values() if asked.resumed_by == run.id}
        return TakenRun(
            id=run.id,
            session_id=run.session_id,
            attempt=run.attempt,
            model=run.model,
            asked_id=run.asked_id,
            message_id=run.message_id,
            user=ADA,
            text=row.asked.text if isinstance(row.asked, NewRun) else "",
            from_checkpoint=row.from_checkpoint,
            checkpoint=own_checkpoint(self.checkpoints, run.session_id, run.id) if run.attempt > 1 else None,
            parent_status=self.status(parent) if parent else None,
            answers=answers or None,
            crashes=row.crashes,
            cache=isinstance(row.asked, NewRun) and row.asked.cache,
            accepted_at=run.created_at,
            recovered=recovered,
        )


class EventsInMemory:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def append(self, batches: Sequence[EventBatch]) -> set[tuple[UUID, int]]:
        self._tables.under_way += 1
        await self._tables.appending.wait()
        await asyncio.sleep(0)
        self._tables.under_way -= 1
        await self._tables.reached()
        held = [batch for batch in batches if self._tables.holds(batch.run_id, batch.attempt)]
        for batch in held:
            self._tables.write(batch.run_id, batch.entries)
        return {(batch.run_id, batch.attempt) for batch in held}

    async def read(self, run_id: UUID, after: int) -> Sequence[Entry]:
        await self._tables.reached()
        return [entry for entry in self._tables.written(run_id) if entry.sequence > after]

    async def has_ended(self, run_id: UUID) -> bool:
        await self._tables.reached()
        row = self._tables.rows.get(run_id)
        return not row or not row.is_live

    async def is_kept(self, run_id: UUID) -> bool:
        await self._tables.reached()
        return bool(self._tables.written(run_id))

    async def is_gone(self, run_id: UUID) -> bool:
        await self._tables.reached()
        return run_id not in self._tables.rows


class AttemptSaver(InMemorySaver):
    """As FencedSaver, over what all attempts share: it begins where its attempt does, and writes while the attempt holds the run."""

    def __init__(self, shared: InMemorySaver, begin_at: str | None, holds: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self._shared = shared
        self._holds = holds
        self.latest = begin_at

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        place = config["configurable"]
        if not place.get("checkpoint_id") and not place.get("checkpoint_ns"):
            if self.latest is None:
                return None
            config = {**config, "configurable": {**place, "checkpoint_id": self.latest}}
        await asyncio.sleep(0)  # no database answers at once
        return await self._shared.aget_tuple(config)

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        self._admit()
        written = await self._shared.aput(config, checkpoint, metadata, new_versions)
        if not config["configurable"].get("checkpoint_ns"):
            self.latest = checkpoint["id"]
        return written

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        self._admit()
        await self._shared.aput_writes(config, writes, task_id, task_path)

    async def flush(self) -> None:
        """Nothing is left to write."""

    def _admit(self) -> None:
        if not self._holds():
            raise RunLost


def own_checkpoint(saver: InMemorySaver, session_id: UUID, run_id: UUID) -> str | None:
    """The latest checkpoint that this run has written."""
    found = saver.list({"configurable": {"thread_id": str(session_id), "checkpoint_ns": ""}}, filter={"milepost_run": str(run_id)})
    return max((there.checkpoint["id"] for there in found), default=None)


def bench_of(agent: AgentGraph, tables: Tables) -> Callable[[TakenRun], Bench]:
    """As wiring's: an agent whose checkpoints are the attempt's."""

    def bench(run: TakenRun) -> Bench:
        saver = AttemptSaver(tables.checkpoints, run.checkpoint or run.from_checkpoint, lambda: tables.holds(run.id, run.attempt))
        starts = tables.starts.setdefault(run.id, StartsInMemory())
        return Bench(agent=agent.copy(update={"checkpointer": saver}), place=saver, starts=starts)

    return bench


def new_row(asked: NewRun | Resumption, *, owner: UUID, parent_id: UUID | None, waiting: bool, from_checkpoint: str | None) -> Row:
    now, is_queued = datetime.now(UTC), waiting or asked.background
    run = Run(
        id=asked.id,
        session_id=asked.session_id,
        user_id=asked.user_id,
        status=RunStatus.QUEUED if is_queued else RunStatus.RUNNING,
        attempt=1,
        model=asked.model,
        config_version=0,
        parent_id=parent_id,
        asked_id=asked.asked_id if isinstance(asked, NewRun) else None,
        message_id=asked.message_id,
        body_hash=asked.body_hash,
        error_code=None,
        input_tokens=0,
        output_tokens=0,
        reasoning_tokens=0,
        cached_tokens=0,
        cost_usd=None,
        created_at=now,
        started_at=None if is_queued else now,
        first_token_at=None,
        finished_at=None,
    )
    return Row(run=run, asked=asked, owner=None if asked.background else owner, waiting=waiting, from_checkpoint=from_checkpoint)
