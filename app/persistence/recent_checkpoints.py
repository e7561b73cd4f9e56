"""Where turns have ended of late in this process, so that the next turn of the session has nothing to read."""

import time
from collections import OrderedDict
from typing import Final

from langgraph.checkpoint.base import CheckpointTuple

# Somebody who goes on with a conversation does so soon; what is deleted meanwhile should not stay in memory for long.
_KEPT_SECONDS: Final = 120
# As they are written; in memory that is some times as much.
_MOST_BYTES: Final = 4_000_000


class RecentCheckpoints:
    """Each is handed out once: a checkpoint never changes, but who goes on from it works on what they are given."""

    def __init__(self, *, seconds: float = _KEPT_SECONDS, most_bytes: int = _MOST_BYTES) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, tuple[float, int, CheckpointTuple]] = OrderedDict()
        self._bytes = 0

    def keep(self, checkpoint: CheckpointTuple, size: int) -> None:
        """Keep one that is written, with nothing written after it."""
        self.drop(checkpoint.checkpoint["id"])
        self._kept[checkpoint.checkpoint["id"]] = (time.monotonic(), size, checkpoint)
        self._bytes += size
        while self._kept and (self._bytes > self._most_bytes or self._is_old(next(iter(self._kept)))):
            self.drop(next(iter(self._kept)))

    def take(self, checkpoint_id: str) -> CheckpointTuple | None:
        is_old = checkpoint_id in self._kept and self._is_old(checkpoint_id)
        taken = self.drop(checkpoint_id)
        return None if is_old else taken

    def drop(self, checkpoint_id: str) -> CheckpointTuple | None:
        _, size, checkpoint = self._kept.pop(checkpoint_id, (0.0, 0, None))
        self._bytes -= size
        return checkpoint

    def forget(self, _user_id: str | None) -> None:
        """Whoever is to be forgotten: all of it can be read again."""
        self._kept.clear()
        self._bytes = 0

    def _is_old(self, checkpoint_id: str) -> bool:
        return time.monotonic() - self._kept[checkpoint_id][0] > self._seconds
