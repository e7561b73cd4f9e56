"""One thing that took its time within a run, as a value."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

type Attribute = str | bool | int | float | tuple[str, ...]
# What was said, as JSON has it.
type Said = str | list[Said] | dict[str, Said]


class Kind(StrEnum):
    """As Langfuse calls them."""

    AGENT = "agent"
    NODE = "chain"
    MODEL = "generation"
    TOOL = "tool"
    RECALL = "retriever"


@dataclass(slots=True, kw_only=True, eq=False)
class Span:
    """`shared` is what all spans of a run say, `error` a code; what was said is there only where text is traced, and not masked yet."""

    trace_id: UUID
    user_id: UUID
    name: str
    kind: Kind
    shared: Mapping[str, Attribute]
    parent: bytes = b""
    id: bytes = field(default_factory=lambda: random.randbytes(8))  # noqa: S311  # no secret
    begun_ns: int = field(default_factory=time.time_ns)
    ended_ns: int = 0
    error: str = ""
    attributes: dict[str, Attribute] = field(default_factory=dict)
    asked: Said | None = None
    answered: Said | None = None
    # Of both, about: how much of it there is in the queue has an end.
    characters: int = 0


def characters_of(said: Said | None) -> int:
    match said:
        case str():
            return len(said)
        case list():
            return sum(map(characters_of, said))
        case dict():
            return sum(map(characters_of, said.values()))
        case _:
            return 0
