"""Stand-ins that keep our Protocols' promises in memory, for tests that look at one part alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID, uuid4

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.runnables import Runnable, RunnableConfig

from app.errors import DatabaseUnavailable
from app.llm.catalog import ModelSpec
from app.llm.choice import Choice
from app.llm.models import Model, Models
from app.persistence.values import Entry, EventBatch, FinishedRun, NewRun, Run, RunStatus, TakenRun, User

ADA: Final = User(id=uuid4(), email="ada@example.com", created_at=datetime(2026, 1, 1, tzinfo=UTC))

# A piece of a scripted answer: a chunk to say, something to wait for, or an error to raise.
type Piece = AIMessageChunk | asyncio.Event | Exception


def says(text: str, **usage: int) -> list[Piece]:
    """An answer of words, each a token; `usage` has input_tokens and output_tokens."""
    words = [AIMessageChunk(content=word) for word in text.replace(" ", " \0").split("\0")]
    counted = UsageMetadata(**usage, total_tokens=sum(usage.values())) if usage else None  # type: ignore[typeddict-item]  # the caller's names
    return [*words, AIMessageChunk(content="", usage_metadata=counted, chunk_position="last")]


def calls(*wanted: tuple[str, str], first_id: int = 1) -> list[Piece]:
    """An answer that asks for tools, each a name and its arguments as JSON; their ids count from `first_id`."""
    chunks = [
        tool_call_chunk(name=name, args=args, id=f"call-{first_id + index}", index=index) for index, (name, args) in enumerate(wanted)
    ]
    return [AIMessageChunk(content="", tool_call_chunks=chunks), AIMessageChunk(content="", chunk_position="last")]


class ScriptedChat(Runnable[LanguageModelInput, AIMessage]):
    """Stream one scripted answer for each call, and remember what was asked."""

    def __init__(self, *answers: Sequence[Piece]) -> None:
        self.answers = [*answers]
        self.asked: list[list[BaseMessage]] = []

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002  # the parent's names
        raise NotImplementedError("The agent streams.")

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002  # the parent's name
        config: RunnableConfig | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> AsyncIterator[AIMessage]:
        self.asked.append([*cast("list[BaseMessage]", input)])
        for piece in self.answers.pop(0):
            match piece:
                case asyncio.Event():
                    await piece.wait()
                case Exception():
                    raise piece
                case _:
                    await asyncio.sleep(0)  # as between two tokens of a network
                    yield piece


def models_of(chat: Runnable[LanguageModelInput, AIMessage], **spec: Any) -> Models:
    """A catalog whose one model is `scripted`."""
    named = ModelSpec(name="scripted", **spec)
    return Models([Model(spec=named, chat=chat)], Choice(specs=[named], default="scripted"))


class HeardAll:
    """A listener that writes down what it hears, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def remembered(self, memories: Sequence[str]) -> None:
        self.heard.append(("remembered", *memories))

    def token(self, content: str) -> None:
        self.heard.append(("token", content))

    def reasoning(self, content: str) -> None:
        self.heard.append(("reasoning", content))

    def tool_called(self, call_id: str, name: str, args: Mapping[str, Any]) -> None:
        self.heard.append(("tool_called", call_id, name, dict(args)))

    def tool_answered(self, call_id: str, name: str, content: str, *, is_error: bool) -> None:
        self.heard.append(("tool_answered", call_id, name, content, is_error))

    def used(self, usage: UsageMetadata) -> None:
        self.heard.append(("used", usage["total_tokens"]))


@dataclass(slots=True)
class MemoryOf:
    """Remembers these facts about everybody, and who asked for what."""

    facts: Sequence[str] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def recall(self, user_id: str, query: str) -> Sequence[str]:
        self.asked.append((user_id, query))
        return self.facts


@dataclass(slots=True)
class RunsInMemory:
    """The run table of one process, which another may take runs from; `down` makes it unreachable."""

    rows: dict[UUID, Run] = field(default_factory=dict)
    asked: dict[UUID, NewRun] = field(default_factory=dict)
    finished: list[FinishedRun] = field(default_factory=list)
    released: list[UUID] = field(default_factory=list)
    renewed: set[UUID] = field(default_factory=set)
    stops: set[UUID] = field(default_factory=set)
    lost: list[TakenRun] = field(default_factory=list)
    strangers: set[UUID] = field(default_factory=set)  # sessions that are not the user's
    down: bool = False
    ending: int = 0  # how many ends have been asked for, be it that `finishing` holds them up
    finishing: asyncio.Event = field(default_factory=asyncio.Event)
    claiming: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.finishing.set()
        self.claiming.set()

    async def claim(self, run: NewRun) -> bool:
        await self._reached()
        await self.claiming.wait()
        taken = run.idempotency_key and await self.sent_before(run.user_id, run.idempotency_key)
        if taken or run.session_id in self.strangers or await self.live_run(run.session_id):
            return False
        self.asked[run.id] = run
        self.rows[run.id] = _row(run)
        return True

    async def sent_before(self, user_id: UUID, key: str) -> Run | None:
        await self._reached()
        return next((self.rows[run.id] for run in self.asked.values() if (run.user_id, run.idempotency_key) == (user_id, key)), None)

    async def live_run(self, session_id: UUID) -> UUID | None:
        await self._reached()
        return next((row.id for row in self.rows.values() if row.session_id == session_id and row.status is RunStatus.RUNNING), None)

    async def read(self, user_id: UUID, run_id: UUID) -> Run | None:
        await self._reached()
        return row if (row := self.rows.get(run_id)) and row.user_id == user_id else None

    async def finish(self, run: FinishedRun) -> bool:
        self.ending += 1
        await self.finishing.wait()
        await self._reached()
        row = self.rows.get(run.id)
        if not row or row.status is not RunStatus.RUNNING or row.attempt != run.attempt:
            return False
        self.finished.append(run)
        self.rows[run.id] = replace(row, status=run.status, error_code=run.error_code)
        return True

    async def release(self, run_id: UUID, attempt: int) -> None:
        await self._reached()
        if self.rows[run_id].attempt == attempt:
            self.released.append(run_id)

    async def request_stop(self, run_id: UUID) -> None:
        await self._reached()
        self.stops.add(run_id)

    async def stops_requested(self) -> Sequence[UUID]:
        await self._reached()
        return [*self.stops]

    async def renew_leases(self, run_ids: Sequence[UUID]) -> None:
        await self._reached()
        self.renewed.update(run_ids)

    async def take_lost(self, most: int) -> Sequence[TakenRun]:
        await self._reached()
        taken, self.lost = self.lost[:most], self.lost[most:]
        return taken

    def taken_over(self, run_id: UUID) -> TakenRun:
        """Give the run to another attempt, as a process does that finds its lease expired."""
        asked, row = self.asked[run_id], self.rows[run_id]
        self.rows[run_id] = row = replace(row, attempt=row.attempt + 1)
        return TakenRun(
            id=run_id,
            session_id=row.session_id,
            attempt=row.attempt,
            model=row.model,
            asked_id=row.asked_id,
            message_id=row.message_id,
            user=ADA,
            text=asked.text,
        )

    async def _reached(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise DatabaseUnavailable


@dataclass(slots=True)
class EventsInMemory:
    """The event log beside a RunsInMemory."""

    runs: RunsInMemory
    entries: dict[UUID, list[Entry]] = field(default_factory=dict)
    appending: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0  # how many writes have begun and not ended, be it that `appending` holds them up

    def __post_init__(self) -> None:
        self.appending.set()

    async def append(self, batches: Sequence[EventBatch]) -> set[UUID]:
        self.under_way += 1
        await self.appending.wait()
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.runs.down:
            raise DatabaseUnavailable
        held = [batch for batch in batches if self._is_held(batch)]
        for batch in held:
            self.entries.setdefault(batch.run_id, []).extend(batch.entries)
        return {batch.run_id for batch in held}

    async def read(self, run_id: UUID, after: int) -> Sequence[Entry]:
        ending = [entry for run in self.runs.finished if run.id == run_id for entry in run.events]
        return [entry for entry in [*self.entries.get(run_id, ()), *ending] if entry.sequence > after]

    async def has_ended(self, run_id: UUID) -> bool:
        row = self.runs.rows.get(run_id)
        return not row or row.status is not RunStatus.RUNNING

    async def is_kept(self, run_id: UUID) -> bool:
        return bool(await self.read(run_id, 0))

    async def forget(self, older_than_seconds: float) -> int:
        return int(older_than_seconds * 0)

    def _is_held(self, batch: EventBatch) -> bool:
        row = self.runs.rows.get(batch.run_id)
        return bool(row and row.status is RunStatus.RUNNING and row.attempt == batch.attempt)


def _row(run: NewRun) -> Run:
    return Run(
        id=run.id,
        session_id=run.session_id,
        user_id=run.user_id,
        status=RunStatus.RUNNING,
        attempt=1,
        model=run.model,
        asked_id=run.asked_id,
        message_id=run.message_id,
        body_hash=run.body_hash,
        error_code=None,
        input_tokens=0,
        output_tokens=0,
        created_at=datetime.now(UTC),
        finished_at=None,
    )
