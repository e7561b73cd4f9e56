"""A run as a reader follows it: its words as they come with a line for each thing that happens, or its answer in one piece."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.terminal.screen import Screen
from app.terminal.server import Event


@dataclass(slots=True)
class Outcome:
    """How a run ended, and what it asks."""

    status: str = ""
    questions: list[Mapping[str, Any]] = field(default_factory=list)


class Teller(Protocol):
    def tell(self, event: Event) -> None: ...


class Live:
    """Everything at once, for somebody who watches."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def tell(self, event: Event) -> None:
        if event.type == "token":
            self._screen.say(event.data["content"])
        elif event.type == "error":
            self._screen.fail(f"{event.data['detail']} ({event.data['code']})")
        elif line := _line(event.type, event.data):
            self._screen.note(line)


class Whole:
    """The answer once it is certain: what a `reset` takes back is never said."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._text: list[str] = []

    def tell(self, event: Event) -> None:
        match event.type:
            case "token":
                self._text.append(event.data["content"])
            case "reset":
                self._text.clear()
            case "error":
                self._screen.fail(f"{event.data['detail']} ({event.data['code']})")
            case "end" if self._text:
                self._screen.say("".join(self._text) + "\n")


def told(events: Iterable[Event], teller: Teller, outcome: Outcome) -> None:
    """Tell the events to the end; `outcome` knows as much of it as has come."""
    for event in events:
        teller.tell(event)
        if event.type == "interrupt":
            outcome.questions.append(event.data)
        elif event.type == "end":
            outcome.status = event.data["status"]


def _line(kind: str, data: Mapping[str, Any]) -> str | None:  # noqa: PLR0911  # a line for each kind
    where = f"{data['node']}: " if data.get("node") else ""
    match kind:
        case "tool_call":
            return f"{where}→ {data['name']} {json.dumps(data['args'], ensure_ascii=False)}"
        case "tool_result":
            return f"{where}{'✗' if data['is_error'] else '←'} {data['name']} {data['content']}"
        case "step":
            why = f": {reason}" if (reason := data["content"].get("reason")) else ""
            return f"{data['agent']}/{where}{data['title']} ({data['status']}{why})"
        case "memory":
            return f"remembers: {'; '.join(data['memories'])}"
        case "reset":
            return f"↺ {data['reason']} The answer is told again from its beginning:"
        case "usage":
            return _usage(data)
        case "end" if data["status"] == "cancelled":
            return "stopped; what was said is kept"
    return None


def _usage(data: Mapping[str, Any]) -> str | None:
    """None where nobody told, as of an answer that was stopped."""
    if data["from_cache"]:
        return f"{data['model']}: told again from the cache"
    cost = "" if data["cost_usd"] is None else f", ${data['cost_usd']:.4f}"
    return f"{data['model']}: {data['total_tokens']:,} tokens{cost}" if data["total_tokens"] else None
