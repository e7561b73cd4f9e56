"""Figures as Markdown: a column that no row can fill is left out."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.figures import Percentiles
from benchmarks.rows import Row, Window

_NONE: Final = "-"

type _Columns[T] = Sequence[tuple[str, Callable[[T], str]]]


def row_table(rows: Sequence[Row]) -> str:
    return _table(rows, _ROW_COLUMNS)


def window_table(windows: Sequence[Window]) -> str:
    return _table(windows, _WINDOW_COLUMNS)


def _table[T](things: Sequence[T], columns: _Columns[T]) -> str:
    cells = [[heading, *(cell(thing) for thing in things)] for heading, cell in columns]
    filled = [column for column in cells if any(cell != _NONE for cell in column[1:])]
    heading, *lines = (f"| {' | '.join(line)} |" for line in zip(*filled, strict=True))
    return "\n".join([heading, f"|{' --- |' * len(filled)}", *lines])


def _number(value: float | None, digits: int = 2) -> str:
    return _NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _three(values: Percentiles | None) -> str:
    if values is None or math.isnan(values.p50):
        return _NONE
    return " / ".join(_number(value, 1 if value < 100 else 0) for value in (values.p50, values.p95, values.p99))


def _percent(share: float | None) -> str:
    return _NONE if share is None or math.isnan(share) else f"{share:.0%}"


_ROW_COLUMNS: Final[_Columns[Row]] = (
    ("target", lambda row: row.target),
    ("success", lambda row: f"{row.success_rate:.1%} of {row.turns}"),
    ("CPU ms/turn", lambda row: _number(row.cpu_ms_per_turn)),
    ("CPU µs/token", lambda row: _number(row.cpu_us_per_token, 0)),
    ("Postgres CPU ms/turn", lambda row: _number(row.postgres_cpu_ms_per_turn)),
    ("first token ms p50 / p95 / p99", lambda row: _three(row.first_token_ms)),
    ("added first token ms", lambda row: _number(row.added_first_token_ms, 1)),
    ("between tokens ms p50 / p95 / p99", lambda row: _three(row.between_tokens_ms)),
    ("relay ms p50 / p95 / p99", lambda row: _three(row.relay_ms)),
    ("turn ms p50 / p95 / p99", lambda row: _three(row.turn_ms)),
    ("turns/s", lambda row: _number(row.turns_per_second, 0)),
    ("tool calls among answers", lambda row: _percent(row.tool_call_share)),
    ("RSS MB", lambda row: _number(row.rss_mb, 0)),
    ("clients, of a core", lambda row: _percent(row.client_core_share)),
    ("stub, of a core", lambda row: _percent(row.stub_core_share)),
)
_WINDOW_COLUMNS: Final[_Columns[Window]] = (
    ("turns", lambda window: f"{window.first_turn} to {window.last_turn}"),
    ("success", lambda window: f"{window.success_rate:.1%}"),
    ("CPU ms/turn", lambda window: _number(window.cpu_ms_per_turn)),
    ("Postgres CPU ms/turn", lambda window: _number(window.postgres_cpu_ms_per_turn)),
    ("kB kept/turn", lambda window: _number(window.kept_kb_per_turn, 1)),
    ("kB written/turn", lambda window: _number(window.written_kb_per_turn, 1)),
    ("turn ms p50", lambda window: _number(window.turn_ms_p50, 1)),
    ("RSS MB", lambda window: _number(window.rss_mb, 0)),
)
