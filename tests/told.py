"""What the parts tell through signals while a test looks on."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.signals.signal import Signal

type Told = list[tuple[Any, ...]]


@contextmanager
def hearing(*heard: Signal[...]) -> Iterator[Told]:
    """Each thing that is told as its name and its arguments, in order; named ones are a dict at the end."""
    told: Told = []
    with ExitStack() as stack:
        for signal in heard:
            stack.enter_context(signal.heard_by(partial(_note, told, signal.name)))
        yield told


def of(told: Told, signal: Signal[...]) -> Told:
    """What one of them was told, without its name."""
    return [one[1:] for one in told if one[0] == signal.name]


def between(least: float = 0, most: float = 30) -> Any:
    """Equal to any number between these: as a rule of seconds, of which a test never has many."""
    return _Between(least, most)


@dataclass(frozen=True, slots=True)
class _Between:
    least: float
    most: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and self.least <= other <= self.most

    def __hash__(self) -> int:
        return 0


def _note(told: Told, name: str, *arguments: Any, **named: Any) -> None:
    told.append((name, *arguments, *([named] if named else [])))
