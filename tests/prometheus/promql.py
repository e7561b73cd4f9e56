"""As much of PromQL as it takes to find what an expression is about."""

import re
from collections.abc import Sequence
from typing import Final

# What names no metric: ranges, lists of labels, strings outside braces.
_RANGE: Final = re.compile(r"\[[^\]]*\]")
_LABELS: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_SELECTOR: Final = re.compile(r"(?<![\w.:])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\()(?![\w:])")
_WORDS: Final = frozenset({"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "inf", "nan"})


def selectors(expression: str) -> Sequence[str]:
    """Each selector of a metric, `name{…}`, once."""
    bare = _LABELS.sub(" ", _RANGE.sub(" ", expression))
    found = [f"{name}{labels}" for name, labels in _SELECTOR.findall(bare) if name.lower() not in _WORDS]
    return [*dict.fromkeys(found)]


def metric(selector: str) -> str:
    return selector.partition("{")[0]
