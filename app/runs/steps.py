"""The steps of an agent that is several: as events that are not too large, and once more as the transcript will keep them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate, takewhile
from typing import Any, Final

from app.agent.origin import Origin
from app.agent.state import StepStatus
from app.runs.events import Stepped
from app.text import storable, storable_values

_LONGEST_TITLE: Final = 500
# In characters of JSON: what one step has to tell a page, and all that is kept with one answer.
_LONGEST_CONTENT: Final = 16_000
_LONGEST_KEPT: Final = 64_000
_MOST_KEPT: Final = 100


class Steps:
    """What was told of the steps, in order, so that the end of it can be taken back."""

    def __init__(self) -> None:
        self._told: list[tuple[Origin, Stepped]] = []

    def __len__(self) -> int:
        return len(self._told)

    def take(self, origin: Origin, status: StepStatus, title: str, content: Mapping[str, Any]) -> Stepped:
        """The event of it; of too much content, what comes first."""
        told, _ = _fitting(storable_values(content), _LONGEST_CONTENT)
        event = Stepped(status=status, title=storable(title)[:_LONGEST_TITLE], content=told)
        self._told.append((origin, event))
        return event

    def take_back(self, length: int) -> None:
        """Forget all but the first so many."""
        del self._told[length:]

    def kept(self) -> Sequence[Mapping[str, Any]]:
        """Each step as it was told last, in the order in which they began: as many as a page can show."""
        latest = {origin.namespace: (origin, event) for origin, event in self._told}
        room, kept = _LONGEST_KEPT, list[Mapping[str, Any]]()
        for origin, event in [*latest.values()][:_MOST_KEPT]:
            content, room = _fitting(event.content, room)
            kept.append({**asdict(origin), "status": event.status, "title": event.title, "content": content})
        return kept


def _fitting(content: Mapping[str, Any], room: int) -> tuple[dict[str, Any], int]:
    """What there is room for, of lists their beginnings; and the room that is left."""
    fitting = dict[str, Any]()
    for name, value in content.items():
        told = _beginning(value, room) if isinstance(value, list) else value
        size = len(json.dumps({name: told}))
        if size <= room:
            fitting[name] = told
            room -= size
    return fitting, room


def _beginning(items: Sequence[Any], room: int) -> Sequence[Any]:
    ends = accumulate(len(json.dumps(item)) + len(", ") for item in items)
    return items[: sum(1 for _ in takewhile(lambda end: end < room - len("[]"), ends))]
