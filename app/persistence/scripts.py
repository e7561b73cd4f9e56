"""What is asked of a Redis that counts for all servers, for who must not import its client."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

type Value = str | int | float
type Script = Callable[[Sequence[str], Sequence[Value] | None], Awaitable[Any]]


class RedisAway(Exception):
    """Redis has not run the script, or nobody knows."""


class Scripts(Protocol):
    def register_script(self, text: str) -> Script:
        """A function that runs it; it raises RedisAway."""
        ...
