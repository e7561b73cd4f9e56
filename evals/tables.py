"""Comparisons and verdicts as a terminal shows them."""

from collections.abc import Sequence
from typing import Final

from evals import wording
from evals.comparing import Comparison, Row
from evals.verdict import State, Verdict

_HEAD: Final = ("metric", "n", "before", "after", "difference", "p", "finding")
_MARKS: Final[dict[State, str]] = {"green": "ok  ", "red": "RED ", "not_enough": "RED ", "not_compared": "--  "}


def comparison_table(found: Comparison) -> str:
    first = f"{found.before} → {found.after}: {found.shared} cases in both"
    first += f", {found.other} left out (in one only, or changed)" if found.other else ""
    return f"{first}\n\n{_aligned([_HEAD, *map(_cells, found.rows)])}"


def verdict_lines(verdict: Verdict) -> str:
    lines = [f"{_MARKS[one.state]} {one.rule}: {one.reason}" for one in verdict.judgements]
    return "\n".join([*lines, f"The gate is {'green' if verdict.passed else 'red'}."])


def _cells(row: Row) -> Sequence[str]:
    name = f"{row.metric}[{row.tag}]" if row.tag else row.metric
    if not row.difference.n:
        return name, "0", "", "", "", "", row.finding
    before, after = (f"{wording.value(one.value, row.unit)} ({wording.interval(one, row.unit)})" for one in (row.before, row.after))
    seen = row.difference
    change = f"{wording.change(seen.value, row.unit)} ({wording.change_interval(seen, row.unit)})"
    return name, str(seen.n), before, after, change, wording.chance(row.p).removeprefix("p = "), row.finding


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
