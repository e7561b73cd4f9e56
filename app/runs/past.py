"""Time travel: the checkpoints of a session, one of them looked at, and where a run begins that goes on from one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from app.agent.registry import Agents
from app.errors import CheckpointNotFound, InvalidInput
from app.persistence.history import TurnAt
from app.persistence.values import Session
from app.runs.asking import Place
from app.text import storable, storable_values

_ROLES: Final[Mapping[str, str]] = {"human": "user", "ai": "assistant"}
_TOLD_APART: Final = {"messages", "summary", "kept_from"}


class HistoryStore(Protocol):
    async def told(self, session_id: UUID, run_ids: Sequence[UUID]) -> Mapping[UUID, str | None]: ...
    async def turn_at(self, session_id: UUID, run_id: UUID) -> TurnAt | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the agent knew at the end of a step, and what comes `next`; its run has ended there, or goes on from there."""

    id: UUID
    parent_id: UUID | None
    run_id: UUID
    created_at: datetime
    step: int
    next: Sequence[str]
    message_count: int
    ends_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A checkpoint with all that is in it, as JSON; the agent's own state beside messages and summary is in `values`."""

    checkpoint: Checkpoint
    messages: Sequence[Mapping[str, Any]]
    summary: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPage:
    """Newest first; `next` is where the following page starts, None on the last."""

    items: Sequence[Checkpoint]
    next: UUID | None


class Past:
    def __init__(self, store: HistoryStore, agents: Agents) -> None:
        self._store = store
        self._agents = agents

    async def page(self, session: Session, *, limit: int, before: UUID | None) -> CheckpointPage:
        """The session's checkpoints of all branches; those that were pruned, or whose turn was undone, are not there."""
        start: RunnableConfig | None = {"configurable": {"checkpoint_id": str(before)}} if before else None
        history = self._agents.graph(session.agent).aget_state_history(_place(session), before=start, limit=limit + 1)
        found = [snapshot async for snapshot in history]
        told = await self._store.told(session.id, [run for snapshot in found if (run := _run_of(snapshot))])
        items = [_checkpoint(snapshot, run, told[run]) for snapshot in found[:limit] if (run := _run_of(snapshot)) in told and run]
        return CheckpointPage(items=items, next=_id(found[limit - 1].config) if len(found) > limit else None)

    async def state(self, session: Session, checkpoint_id: UUID) -> State:
        """Raise CheckpointNotFound."""
        snapshot, run_id, turn = await self._find(session, checkpoint_id)
        values = snapshot.values
        return State(
            checkpoint=_checkpoint(snapshot, run_id, turn.ended_at),
            messages=[_message(message) for message in values.get("messages", ())],
            summary=storable(values.get("summary", "")),
            values={name: storable_values(value) for name, value in values.items() if name not in _TOLD_APART},
        )

    async def place(self, session: Session, checkpoint_id: UUID, text: str | None) -> Place:
        """Where a run begins that goes on from this checkpoint: with a message after the run that ended there, or without one in its midst.

        Raise CheckpointNotFound, or InvalidInput where the one is needed and the other given.
        """
        snapshot, run_id, turn = await self._find(session, checkpoint_id)
        if text is not None:
            if turn.ended_at != str(checkpoint_id):
                raise InvalidInput(
                    "No run has ended at this checkpoint, so nothing can be said there: leave the message out to go on from it."
                )
            return Place(text=text, forks=True, parent_id=run_id)
        if not snapshot.next:
            raise InvalidInput("Nothing is left to be done at this checkpoint: send a message with it.")
        return Place(text=turn.text, forks=True, parent_id=turn.parent_id, attachments=turn.attachments, replays=str(checkpoint_id))

    async def _find(self, session: Session, checkpoint_id: UUID) -> tuple[StateSnapshot, UUID, TurnAt]:
        snapshot = await self._agents.graph(session.agent).aget_state(_place(session, checkpoint_id))
        run_id = _run_of(snapshot)
        turn = await self._store.turn_at(session.id, run_id) if run_id else None
        if run_id is None or turn is None:
            raise CheckpointNotFound
        return snapshot, run_id, turn


def _place(session: Session, checkpoint_id: UUID | None = None) -> RunnableConfig:
    place = {"thread_id": str(session.id)}
    return {"configurable": place | {"checkpoint_id": str(checkpoint_id)} if checkpoint_id else place}


def _run_of(snapshot: StateSnapshot) -> UUID | None:
    """The run that wrote it; None where there is no such checkpoint."""
    run_id = (snapshot.metadata or {}).get("milepost_run")
    return UUID(str(run_id)) if run_id else None


def _id(config: RunnableConfig) -> UUID:
    return UUID(config["configurable"]["checkpoint_id"])


def _checkpoint(snapshot: StateSnapshot, run_id: UUID, ended_at: str | None) -> Checkpoint:
    found = _id(snapshot.config)
    return Checkpoint(
        id=found,
        parent_id=_id(snapshot.parent_config) if snapshot.parent_config else None,
        run_id=run_id,
        created_at=datetime.fromisoformat(snapshot.created_at or ""),
        step=(snapshot.metadata or {}).get("step", -1),
        next=snapshot.next,
        message_count=len(snapshot.values.get("messages", ())),
        ends_run=ended_at == str(found),
    )


def _message(message: AnyMessage) -> dict[str, Any]:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    answers = message if isinstance(message, ToolMessage) else None
    told: dict[str, Any] = storable_values(
        {
            "id": message.id,
            "role": _ROLES.get(message.type, message.type),
            "content": message.text,
            "tool_calls": [{"id": call["id"], "name": call["name"], "args": call["args"]} for call in calls],
            "tool_call_id": answers and answers.tool_call_id,
            "name": answers and answers.name,
            "is_error": bool(answers and answers.status == "error"),
        }
    )
    return told
