"""Tools, the servers that some of them are on, and the memory."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

from app import signals
from app.observability import metrics
from app.observability.children import OTHER, Children
from app.observability.hearing.ear import hear

# Of those that were really called: what was turned away took no time.
_MADE: Final = frozenset({"ok", "error", "failed", "timeout", "no_room"})

# Whether there is a tool of this name, for a model may ask for any.
type Knows = Callable[[str], bool]

_seconds = Children(metrics.TOOL_SECONDS)
_calls = Children(metrics.TOOL_CALLS)
_approvals = Children(metrics.TOOL_APPROVALS)
_up = Children(metrics.MCP_UP)
_recalls = Children(metrics.RECALL_SECONDS)
_remembers = Children(metrics.REMEMBER_SECONDS)


def listen(ears: ExitStack, knows: Knows) -> None:
    hear(ears, signals.tool_called, partial(_called, knows))
    hear(ears, signals.approval_asked, lambda tool: _approvals(_name(knows, tool)).inc())
    hear(ears, signals.mcp_server_moved, lambda server, up: _up(server).set(up))
    hear(ears, signals.recalled, lambda outcome, seconds: _recalls(outcome).observe(seconds))
    hear(ears, signals.remembered, _remembered)


def _called(knows: Knows, tool: str, outcome: str, seconds: float) -> None:
    name = _name(knows, tool)
    _calls(name, outcome).inc()
    if outcome in _MADE:
        _seconds(name).observe(seconds)


def _name(knows: Knows, tool: str) -> str:
    return tool if knows(tool) else OTHER


def _remembered(outcome: str, seconds: float, facts: int) -> None:
    _remembers(outcome).observe(seconds)
    metrics.MEMORIES_KEPT.inc(facts)
