"""What the graph gives to keep, and the rows it becomes in LangGraph's own tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A checkpoint, the config of the one before it, and the channels that have changed since that."""

    config: RunnableConfig
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    versions: ChannelVersions

    @property
    def id(self) -> str:
        return self.checkpoint["id"]

    @property
    def namespace(self) -> str:
        """Empty for the graph itself, else the subgraph's."""
        namespace: str = self.config["configurable"].get("checkpoint_ns", "")
        return namespace

    @property
    def place(self) -> RunnableConfig:
        """Where the graph finds it again."""
        return self._place_of(self.id)

    @property
    def parent_id(self) -> str | None:
        found: str | None = self.config["configurable"].get("checkpoint_id")
        return found

    @property
    def kept_metadata(self) -> CheckpointMetadata:
        return get_serializable_checkpoint_metadata(self.config, self.metadata)

    def as_read(self) -> CheckpointTuple:
        """What is found there, as long as no task has written more."""
        parent = self._place_of(self.parent_id) if self.parent_id else None
        return CheckpointTuple(self.place, self.checkpoint, self.kept_metadata, parent, [])

    def _place_of(self, checkpoint_id: str) -> RunnableConfig:
        thread_id = self.config["configurable"]["thread_id"]
        return {"configurable": {"thread_id": thread_id, "checkpoint_ns": self.namespace, "checkpoint_id": checkpoint_id}}

    def instead_of(self, overtaken: "Unwritten") -> "Unwritten":
        """The same after the one before that: what changed in between has changed in this one."""
        return replace(self, config=overtaken.config, versions={**overtaken.versions, **self.versions})


@dataclass(frozen=True, slots=True)
class UnwrittenWrites:
    """What a task has written to channels, in the step after a checkpoint."""

    config: RunnableConfig
    writes: Sequence[tuple[str, Any]]
    task_id: str
    task_path: str

    @property
    def namespace(self) -> str:
        namespace: str = self.config["configurable"].get("checkpoint_ns", "")
        return namespace

    @property
    def id(self) -> str:
        """The checkpoint's."""
        found: str = self.config["configurable"]["checkpoint_id"]
        return found

    def belongs_to(self, checkpoint: Unwritten) -> bool:
        return (self.namespace, self.id) == (checkpoint.namespace, checkpoint.id)


class Rows:
    """All of one thread as the parameters of one statement: what is told of each row as JSON, and the values of all in one piece.

    A list for each column would be the natural form, and takes psycopg a millisecond.
    """

    def __init__(self, serde: SerializerProtocol, checkpoints: Sequence[Unwritten], writes: Sequence[UnwrittenWrites]) -> None:
        self._serde = serde
        self._bytes = bytearray()
        self._checkpoints = [_row(one) for one in checkpoints]
        self._blobs = [blob for one in checkpoints for blob in self._blobs_of(one)]
        # The last of two writes to one place is the one that holds; a statement may write a row once.
        written = {(one.namespace, one.id, one.task_id, row["place"]): row for one in writes for row in self._writes_of(one)}
        self._writes = [*written.values()]
        (config, *_) = [one.config for one in checkpoints] + [one.config for one in writes]
        self._thread_id = config["configurable"]["thread_id"]

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self._bytes)

    def parameters(self) -> dict[str, Any]:
        return {
            "thread_id": self._thread_id,
            "checkpoints": _json(self._checkpoints),
            "blobs": _json(self._blobs),
            "writes": _json(self._writes),
            "bytes": bytes(self._bytes),
        }

    def _blobs_of(self, one: Unwritten) -> Iterator[dict[str, Any]]:
        values = one.checkpoint["channel_values"]
        for channel, version in one.versions.items():
            if channel in values and not _is_plain(values[channel]):
                yield {"namespace": one.namespace, "channel": channel, "version": version, **self._piece(values[channel])}

    def _writes_of(self, one: UnwrittenWrites) -> Iterator[dict[str, Any]]:
        whose = {"namespace": one.namespace, "id": one.id, "task_id": one.task_id, "task_path": one.task_path}
        for index, (channel, value) in enumerate(one.writes):
            yield {**whose, "place": WRITES_IDX_MAP.get(channel, index), "channel": channel, **self._piece(value)}

    def _piece(self, value: object) -> dict[str, Any]:
        kind, blob = self._serde.dumps_typed(value)
        starts = len(self._bytes) + 1  # SQL counts from one
        self._bytes += blob
        return {"type": kind, "starts": starts, "length": len(blob)}


def _row(one: Unwritten) -> dict[str, Any]:
    """Only numbers stand in the checkpoint itself: JSON in Postgres cannot hold every text."""
    values = one.checkpoint["channel_values"]
    plain = {name: _inline(value) for name, value in values.items() if _is_plain(value) or isinstance(value, _DeltaSnapshot)}
    return {
        "namespace": one.namespace,
        "id": one.id,
        "parent_id": one.parent_id,
        "checkpoint": {**one.checkpoint, "channel_values": plain},
        "metadata": one.kept_metadata,
    }


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return orjson.dumps(rows, default=str).decode()


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _inline(value: object) -> object:
    return True if isinstance(value, _DeltaSnapshot) else value
