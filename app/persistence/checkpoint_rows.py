"""What the graph gives to keep, and the columns it becomes in LangGraph's own tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from psycopg.types.json import Jsonb


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
        thread_id = self.config["configurable"]["thread_id"]
        return {"configurable": {"thread_id": thread_id, "checkpoint_ns": self.namespace, "checkpoint_id": self.id}}

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

    def belongs_to(self, checkpoint: Unwritten) -> bool:
        place = self.config["configurable"]
        return bool(place.get("checkpoint_ns", "") == checkpoint.namespace and place["checkpoint_id"] == checkpoint.id)


def columns(serde: SerializerProtocol, checkpoints: Sequence[Unwritten], writes: Sequence[UnwrittenWrites]) -> dict[str, Any]:
    """All of one thread, as the parameters of one statement: a list for each column."""
    configs = [one.config for one in checkpoints] + [one.config for one in writes]
    thread_id = configs[0]["configurable"]["thread_id"]
    rows = [_row(checkpoint) for checkpoint in checkpoints]
    blobs = [blob for checkpoint in checkpoints for blob in _blobs(serde, checkpoint)]
    # The last of two writes to one place is the one that holds; a statement may write a row once.
    written = {row[:4]: row for one in writes for row in _writes(serde, one)}
    return {
        "thread_id": thread_id,
        **_lists(rows, "namespaces", "ids", "parent_ids", "checkpoints", "metadata"),
        **_lists(blobs, "blob_namespaces", "channels", "versions", "blob_types", "blobs"),
        **_lists(
            [(namespace, place, task, path, index, *rest) for (namespace, place, task, index, path, *rest) in written.values()],
            "write_namespaces",
            "write_ids",
            "task_ids",
            "task_paths",
            "places",
            "write_channels",
            "write_types",
            "values",
        ),
    }


def _lists(rows: Sequence[tuple[Any, ...]], *names: str) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _row(one: Unwritten) -> tuple[Any, ...]:
    """Values that are no primitives stand in a table of their own, as LangGraph's saver has it."""
    values = one.checkpoint["channel_values"]
    plain = {name: _inline(value) for name, value in values.items() if _is_plain(value) or isinstance(value, _DeltaSnapshot)}
    parent_id = one.config["configurable"].get("checkpoint_id")
    metadata = get_serializable_checkpoint_metadata(one.config, one.metadata)
    return one.namespace, one.id, parent_id, Jsonb({**one.checkpoint, "channel_values": plain}), Jsonb(metadata)


def _blobs(serde: SerializerProtocol, one: Unwritten) -> Iterator[tuple[Any, ...]]:
    values = one.checkpoint["channel_values"]
    for channel, version in one.versions.items():
        if channel in values and not _is_plain(values[channel]):
            yield (one.namespace, channel, version, *serde.dumps_typed(values[channel]))


def _writes(serde: SerializerProtocol, one: UnwrittenWrites) -> Iterator[tuple[Any, ...]]:
    place = one.config["configurable"]
    for index, (channel, value) in enumerate(one.writes):
        at = WRITES_IDX_MAP.get(channel, index)
        yield (place["checkpoint_ns"], place["checkpoint_id"], one.task_id, at, one.task_path, channel, *serde.dumps_typed(value))


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _inline(value: object) -> object:
    return True if isinstance(value, _DeltaSnapshot) else value
