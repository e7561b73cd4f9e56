"""What is kept of an answer, which answers are, and where: in this process, unless somebody brings another place."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from langchain_core.messages import AIMessage

LARGEST_BYTES: Final = 1_000_000

# What providers call an answer that has come to its own end.
_FINISHED: Final = frozenset({"stop", "end_turn", "stop_sequence", "completed"})
_REASONS: Final = ("finish_reason", "stop_reason", "done_reason", "status")
_TEXT_AND_THOUGHTS: Final = frozenset({"text", "reasoning", "thinking", "redacted_thinking"})
_BYTES_BESIDE: Final = 300  # of an entry, for its key and its place


class AnswerStore(Protocol):
    """Keeps answers for a time; may forget any, and never fails. A key begins with its owner's name and a colon."""

    async def find(self, key: str) -> bytes | None: ...
    def keep(self, key: str, answer: bytes) -> None: ...

    def drop(self, owner: str | None) -> None:
        """Forget what this process holds of an owner who is gone, and keep no more of theirs; of all, for None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    text: str
    reasoning: str = ""

    def encode(self, key: str) -> bytes:
        return json.dumps({"key": key, "text": self.text, "reasoning": self.reasoning}, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, key: str, written: bytes) -> Self | None:
        """None for what is no answer to this very prompt, whatever a store hands over: another's must never be told."""
        try:
            match json.loads(written):
                case {"key": its_key, "text": str(text), "reasoning": str(reasoning)} if its_key == key:
                    return cls(text=text, reasoning=reasoning)
        except (ValueError, RecursionError):
            pass
        return None


def is_final(answer: AIMessage) -> bool:
    """Whether it is text that came to its own end: no tool is called, nothing was refused or cut off."""
    if answer.tool_calls or answer.invalid_tool_calls or not answer.text or answer.additional_kwargs.get("refusal"):
        return False
    blocks = answer.content if isinstance(answer.content, list) else ()
    if any(isinstance(block, Mapping) and block.get("type") not in _TEXT_AND_THOUGHTS for block in blocks):
        return False
    return _end(answer.response_metadata) in _FINISHED


def _end(metadata: Mapping[str, Any]) -> str:
    return str(next((metadata[name] for name in _REASONS if metadata.get(name)), "")).lower()


class AnswersInMemory:
    """The answers told last, as many as there is room for."""

    def __init__(self, *, seconds: float, entries: int, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._entries = entries
        self._most_bytes = most_bytes
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._gone: set[str] = set()

    async def find(self, key: str) -> bytes | None:
        until, answer = self._kept.get(key, (0.0, b""))
        if not answer:
            return None
        if until <= self._clock():
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        return answer

    def keep(self, key: str, answer: bytes) -> None:
        self._forget(key)
        if _size(answer) > self._most_bytes or key.partition(":")[0] in self._gone:
            return  # all others would go for it; or a run of theirs was about to end
        self._kept[key] = self._clock() + self._seconds, answer
        self._bytes += _size(answer)
        while len(self._kept) > self._entries or self._bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def drop(self, owner: str | None) -> None:
        if owner:
            self._gone.add(owner)
        for key in [key for key in self._kept if owner is None or key.startswith(f"{owner}:")]:
            self._forget(key)

    def _forget(self, key: str) -> None:
        if kept := self._kept.pop(key, None):
            self._bytes -= _size(kept[1])


def _size(answer: bytes) -> int:
    return len(answer) + _BYTES_BESIDE
