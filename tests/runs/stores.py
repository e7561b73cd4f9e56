"""One process's view of the tables in memory: the Protocols that runs ask for."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from app.errors import DatabaseUnavailable
from app.persistence.turn_values import QueuedRun, WaitingRun
from app.persistence.values import Attachment, Claim, FinishedRun, Interrupt, NewRun, Resumption, Role, Run, RunStatus, TakenRun
from tests.runs.tables import LIVE, Asked, Row, Said, Tables, new_row


class RunsInMemory:
    def __init__(self, tables: Tables, owner: UUID) -> None:
        self._tables = tables
        self._owner = owner

    async def read(self, user_id: UUID, run_id: UUID) -> Run | None:
        await self._tables.reached()
        return row.run if (row := self._tables.rows.get(run_id)) and row.run.user_id == user_id else None

    async def finish(self, run: FinishedRun, from_statuses: Sequence[RunStatus] = LIVE) -> bool:
        self._tables.ending += 1
        await self._tables.finishing.wait()
        await self._tables.reached()
        if self._tables.refusals:
            raise self._tables.refusals.pop(0)
        row = self._tables.rows.get(run.id)
        if not row or row.run.status not in from_statuses or row.run.attempt != run.attempt:
            return False
        _end(self._tables, row, run)
        if self._tables.lost_replies:
            self._tables.lost_replies -= 1
            raise DatabaseUnavailable
        return True

    async def has_ended_so(self, run: FinishedRun) -> bool:
        await self._tables.reached()
        row = self._tables.rows.get(run.id)
        return bool(row and row.run.finished_at and (row.run.attempt, row.run.status) == (run.attempt, run.status))

    async def release(self, run_id: UUID, attempt: int) -> None:
        await self._tables.reached()
        if self._tables.holds(run_id, attempt):
            self._tables.rows[run_id].owner, self._tables.rows[run_id].free = None, True
            self._tables.released.append(run_id)
            self._tables.tell()

    async def release_queued(self) -> None:
        await self._tables.reached()
        for row in self._tables.rows.values():
            if row.owner == self._owner and row.run.status is RunStatus.QUEUED and not row.asked.background:
                row.owner, row.free = None, True

    async def queued(self, run_id: UUID) -> QueuedRun | None:
        await self._tables.reached()
        row = self._tables.rows.get(run_id)
        if not row or row.run.status is not RunStatus.QUEUED:
            return None
        age = (datetime.now(UTC) - row.run.created_at).total_seconds()
        return QueuedRun(message_id=row.run.message_id, agent="assistant", age_seconds=age, is_held=False)

    async def request_stop(self, run_id: UUID) -> None:
        await self._tables.reached()
        if (row := self._tables.rows.get(run_id)) and row.is_live:
            row.stop_requested = True

    async def stops_requested(self) -> Sequence[UUID]:
        await self._tables.reached()
        return [row.run.id for row in self._mine() if row.stop_requested]

    async def renew_leases(self, run_ids: Sequence[UUID]) -> None:
        await self._tables.reached()
        self._tables.renewals += 1
        for row in self._mine():
            if row.run.id in run_ids:
                row.free = False
                self._tables.renewed.add(row.run.id)

    async def take(self, most: int, ours: Sequence[UUID]) -> Sequence[TakenRun]:
        await self._tables.reached()
        lost = [row for row in self._tables.rows.values() if row.has_turn and row.free and row.run.id not in ours]
        queued = [row for row in self._mine() if row.has_turn and row.run.status is RunStatus.QUEUED and row not in lost]
        return [self._tables.take(row, self._owner) for row in [*lost, *queued][:most]]

    async def take_queued(self, run_id: UUID) -> TakenRun | None:
        await self._tables.reached()
        row = self._tables.rows.get(run_id)
        is_free = row and row.has_turn and row.run.status is RunStatus.QUEUED
        return self._tables.take(row, self._owner) if row and is_free else None

    def _mine(self) -> list[Row]:
        return [row for row in self._tables.rows.values() if row.owner == self._owner and row.is_live]


class TurnsInMemory:
    def __init__(self, tables: Tables, owner: UUID) -> None:
        self._tables = tables
        self._owner = owner

    async def claim(self, run: NewRun) -> Claim | None:
        await self._tables.reached()
        waiting = run.waits and self._tables.holder(run.session_id) is not None
        # As between a statement's snapshot and the index that has the last word.
        self._tables.claims += 1
        await self._tables.claiming.wait()
        await asyncio.sleep(0)
        if run.session_id in self._tables.strangers or not self._is_free(run, waiting=waiting):
            return None
        parent_id = run.parent_id if run.forks else self._tables.heads.get(run.session_id)
        claim = self._insert(run, parent_id, waiting=waiting)
        self._tables.messages.append(Said(id=run.asked_id, session_id=run.session_id, run_id=run.id, role=Role.USER, content=run.text))
        for asked in self._tables.questions.values():
            if asked.question.run_id == parent_id and asked.outcome == "open" and not waiting:
                asked.outcome = "withdrawn"
        return claim

    async def claim_resumption(self, run: Resumption) -> Claim | None:
        await self._tables.reached()
        head = self._tables.heads.get(run.session_id)
        asked = [self._tables.questions.get((run.session_id, question_id)) for question_id in run.answers]
        theirs = [one for one in asked if one and one.outcome == "open" and one.question.run_id == head]
        if len(theirs) < len(asked) or not self._is_free(run, waiting=False):
            return None
        for one in theirs:
            one.outcome, one.answer = "answered" if run.answered_by else "expired", run.answers[one.question.id]
            one.resumed_by = run.id
        return self._insert(run, head, waiting=False)

    async def sent_before(self, user_id: UUID, key: str) -> Run | None:
        await self._tables.reached()
        return next((row.run for row in self._tables.rows.values() if (row.run.user_id, row.asked.idempotency_key) == (user_id, key)), None)

    async def live_run(self, session_id: UUID) -> UUID | None:
        await self._tables.reached()
        return row.run.id if (row := self._tables.holder(session_id)) else None

    async def waiting(self, session_id: UUID) -> Sequence[WaitingRun]:
        await self._tables.reached()
        waiting = [row for row in self._tables.rows.values() if row.run.session_id == session_id and row.is_live and row.waiting]
        said = {message.run_id: message.content for message in self._tables.messages if message.role is Role.USER}
        return [WaitingRun(run_id=row.run.id, text=said[row.run.id], created_at=row.run.created_at) for row in waiting]

    async def in_the_way(self, session_id: UUID) -> Sequence[UUID]:
        await self._tables.reached()
        live = [row for row in self._tables.rows.values() if row.run.session_id == session_id and row.is_live]
        return [row.run.id for row in sorted(live, key=lambda row: (row.waiting, row.run.id), reverse=True)]

    async def promote(self, session_id: UUID | None = None) -> None:
        await self._tables.reached()
        for session in [session_id] if session_id else {row.run.session_id for row in self._tables.rows.values()}:
            self._tables.pass_turn(session)

    async def undo(self, run_id: UUID) -> None:
        await self._tables.reached()
        runs = _turn(self._tables, run_id)
        self._tables.messages = [said for said in self._tables.messages if said.run_id not in {run.id for run in runs}]
        if self._tables.heads[runs[0].session_id] == run_id:
            self._tables.heads[runs[0].session_id] = runs[-1].parent_id

    def _is_free(self, run: NewRun | Resumption, *, waiting: bool) -> bool:
        key = run.idempotency_key
        sent = {(row.run.user_id, row.asked.idempotency_key) for row in self._tables.rows.values()}
        return (waiting or not self._tables.holder(run.session_id)) and not (key and (run.user_id, key) in sent)

    def _insert(self, asked: NewRun | Resumption, parent_id: UUID | None, *, waiting: bool) -> Claim:
        begin_at = self._tables.checkpoint_at(parent_id)
        row = new_row(asked, owner=self._owner, parent_id=parent_id, waiting=waiting, from_checkpoint=begin_at)
        self._tables.rows[asked.id] = row
        if not waiting:
            self._tables.heads[asked.session_id] = asked.id
            if asked.background:
                self._tables.jobs.append(asked.id)
        status = self._tables.status(parent_id) if parent_id else None
        return Claim(queued=row.run.status is RunStatus.QUEUED, from_checkpoint=begin_at, parent_status=status)


class PastInMemory:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def turn_of(self, session_id: UUID, message_id: UUID) -> tuple[UUID | None, str, Sequence[Attachment]] | None:
        await self._tables.reached()
        mine = {said.id: said for said in self._tables.messages if said.session_id == session_id}
        if message_id not in mine:
            return None
        first = _turn(self._tables, mine[message_id].run_id)[-1]
        return (first.parent_id, mine[first.asked_id].content, ()) if first.asked_id in mine else None

    async def last_message(self, session_id: UUID) -> UUID | None:
        await self._tables.reached()
        head = self._tables.heads.get(session_id)
        return max((said.id for said in self._tables.messages if said.run_id == head), default=None)

    async def unfinished_checkpoint(self, session_id: UUID) -> str | None:
        await self._tables.reached()
        return self._tables.checkpoint_at(self._tables.heads.get(session_id))


class NoAttachments:
    async def content(self, user_id: UUID, attachment_id: UUID, most_bytes: int | None = None) -> bytes | None:  # noqa: ARG002  # the Protocol's names
        return None


class QuestionsInMemory:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def open(self, session_id: UUID) -> Sequence[Interrupt]:
        await self._tables.reached()
        head = self._tables.heads.get(session_id)
        return [one.question for one in self._tables.questions.values() if one.question.run_id == head and one.outcome == "open"]

    async def expired(self) -> Sequence[tuple[UUID, UUID]]:
        await self._tables.reached()
        now, tables = datetime.now(UTC), self._tables
        late = {one.session_id: one for one in tables.questions.values() if one.outcome == "open" and one.question.expires_at < now}
        return [
            (session_id, tables.rows[one.question.run_id].run.user_id)
            for session_id, one in late.items()
            if tables.heads[session_id] == one.question.run_id and not tables.holder(session_id)
        ]


def _turn(tables: Tables, run_id: UUID) -> list[Run]:
    """The runs of a turn, from this one back to the one that its message began."""
    runs = [tables.rows[run_id].run]
    while runs[-1].asked_id is None and runs[-1].parent_id:
        runs.append(tables.rows[runs[-1].parent_id].run)
    return runs


def _end(tables: Tables, row: Row, end: FinishedRun) -> None:
    session_id, had_turn = row.run.session_id, row.has_turn
    row.run = replace(
        row.run, status=end.status, model=end.model or row.run.model, error_code=end.error_code, finished_at=datetime.now(UTC)
    )
    row.checkpoint, row.waiting, row.free = end.checkpoint or row.from_checkpoint, False, False
    tables.finished.append(end)
    tables.messages.append(Said(id=end.message_id, session_id=session_id, run_id=end.id, role=Role.ASSISTANT, content=end.content))
    tables.write(end.id, end.events)
    for asked in end.questions:
        assert end.expires_at
        now = datetime.now(UTC)
        question = Interrupt(id=asked.id, run_id=end.id, value=asked.value, schema=asked.schema, created_at=now, expires_at=end.expires_at)
        before = tables.questions.setdefault((session_id, asked.id), Asked(question=question, session_id=session_id))
        before.question = replace(before.question, run_id=end.id, expires_at=end.expires_at)
    if had_turn:
        tables.pass_turn(session_id)
