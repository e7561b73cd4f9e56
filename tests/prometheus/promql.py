"""As much of PromQL as it takes to find what an expression is about."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

# What names no metric: ranges, and lists of labels.
_RANGE: Final = re.compile(r"\[[^\]]*\]")
_LABELS: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_SELECTOR: Final = re.compile(r"(?<![\w.:])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\()(?![\w:])")
_WORDS: Final = frozenset(
    {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "inf", "nan"}
)

# What makes a condition of an expression: between two operands, and within one a bound that filters.
_BETWEEN: Final = re.compile(r"\b(?:and|or|unless)\b(?:\s*(?:on|ignoring)\s*\([^)]*\))?|[<>=!]=|[<>]")
_BOUND: Final = re.compile(r"\s*(?:[<>=!]=|[<>])\s*[\d.e]+\s*(?=\))")
_ABSENT: Final = re.compile(r"\babsent\(([^()]*)\)")


def selectors(expression: str) -> Sequence[str]:
    """Each selector of a metric, `name{…}`, once."""
    bare = _LABELS.sub(" ", _RANGE.sub(" ", expression))
    found = [f"{name}{labels}" for name, labels in _SELECTOR.findall(bare) if name.lower() not in _WORDS]
    return [*dict.fromkeys(found)]


def metric(selector: str) -> str:
    return selector.partition("{")[0]


def operands(expression: str) -> Sequence[str]:
    """What a condition compares, each of which has a value whether the condition holds or not."""
    plain = _ABSENT.sub(r"\1", _BOUND.sub("", expression))
    return [operand for part in _at_top(plain) if (operand := part.strip())]


def _at_top(expression: str) -> Iterator[str]:
    """The pieces between comparisons and set operators that stand in no parentheses."""
    begin = 0
    for found in _BETWEEN.finditer(expression):
        before = expression[: found.start()]
        if all(before.count(opening) == before.count(closing) for opening, closing in ("()", "{}", "[]")):
            yield expression[begin : found.start()]
            begin = found.end()
    yield expression[begin:]
