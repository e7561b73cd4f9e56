"""Every event that the log can have is in docs/logging.md, at its level, and nothing else is."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from app.settings import ROOT

_LEVELS: Final = {"debug", "info", "warning", "error", "exception", "critical"}
_ROW: Final = re.compile(r"^\| `(\w+)` \| (debug|info|warning|error) \| \S", re.MULTILINE)
# Where a name is handed on: in `crashes`, and in the chore that goes through sessions, which is given it as `failing`.
_HANDED_ON: Final = {"event", "failing"}


def _told(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """The name of each event in a module, and its level."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        match call.func:
            case ast.Attribute(value=ast.Name(id="log"), attr=level) if level in _LEVELS:
                yield call.args[0], level
            case ast.Name(id="log_crash"):
                yield call.args[0], "error"
            case ast.Name(id="say"):
                yield call.args[0], "info"
        for keyword in call.keywords:
            if keyword.arg == "failing":
                yield keyword.value, "warning"


def test_every_event_is_documented_at_its_level() -> None:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for module in (ROOT / "app").rglob("*.py"):
        if "terminal" in module.parts:  # which says things to people
            continue
        for name, level in _told(ast.parse(module.read_text())):
            if isinstance(name, ast.Name) and name.id in _HANDED_ON:
                continue
            assert isinstance(name, ast.Constant), f"{module.name}:{name.lineno} has no constant name"
            found[str(name.value)].add(level)
    assert {name: min(levels) for name, levels in found.items()} == dict(_ROW.findall((ROOT / "docs" / "logging.md").read_text()))


def test_no_event_is_put_together_from_values() -> None:
    for module in (ROOT / "app").rglob("*.py"):
        for call in ast.walk(ast.parse(module.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "log":
                assert not any(isinstance(part, ast.JoinedStr) for argument in call.args for part in ast.walk(argument)), module.name
