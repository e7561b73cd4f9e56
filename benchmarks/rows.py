"""From what happened to figures. What a failed turn took is paid by those that succeeded, so that failing never looks cheap."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.figures import Percentiles, delays, gaps, per, percentiles
from benchmarks.orders import Turn
from benchmarks.provider import Account
from benchmarks.scenario import Scenario
from benchmarks.users import OUT_OF_TIME

MISCOUNTED: Final = "tokens sent and tokens seen differ in number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What was taken between two closings: seconds of CPU and of time, and bytes in the database."""

    target_cpu: float = 0
    driver_cpu: float = 0
    provider_cpu: float = 0
    postgres_cpu: float = 0
    seconds: float = 0
    kept_bytes: float = 0
    written_bytes: float = 0

    def __add__(self, other: "Books") -> "Books":
        return Books(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Some turns of every user, and what they took."""

    first_turn: int
    last_turn: int
    turns: Sequence[Turn]
    books: Books
    rss_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stage as the report shows it; None where there is no database."""

    first_turn: int
    last_turn: int
    success_rate: float
    cpu_ms_per_turn: float
    postgres_cpu_ms_per_turn: float | None
    kept_kb_per_turn: float | None
    written_kb_per_turn: float | None
    turn_ms_p50: float
    rss_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Figures of one target; times in milliseconds, over the successful turns. None means that there is no such thing here."""

    target: str
    how: str
    turns: int
    success_rate: float
    failures: Mapping[str, int]
    cpu_ms_per_turn: float
    cpu_us_per_token: float
    postgres_cpu_ms_per_turn: float | None
    first_token_ms: Percentiles | None
    added_first_token_ms: float | None
    between_tokens_ms: Percentiles | None
    relay_ms: Percentiles | None
    turn_ms: Percentiles
    turns_per_second: float
    tool_call_share: float | None
    rss_mb: float
    client_core_share: float | None
    stub_core_share: float
    windows: Sequence[Window]


def row_of(
    target: str, how: str, scenario: Scenario, stages: Sequence[Stage], account: Account, *, has_database: bool, has_clients: bool
) -> Row:
    turns = with_miscounted([turn for stage in stages for turn in stage.turns], scenario, account)
    good, failures = _good(turns), _failures(turns, scenario)
    books = sum((stage.books for stage in stages), Books())
    asked = scenario.users * scenario.turns
    return Row(
        target=target,
        how=how,
        turns=asked,
        success_rate=len(good) / asked,
        failures=failures,
        cpu_ms_per_turn=per(books.target_cpu * 1_000, len(good)),
        cpu_us_per_token=per(books.target_cpu * 1_000_000, len(good) * scenario.tokens),
        postgres_cpu_ms_per_turn=per(books.postgres_cpu * 1_000, len(good)) if has_database else None,
        first_token_ms=None if scenario.whole else percentiles([(turn.seen_at[0] - turn.began_at) * 1_000 for turn in good]),
        added_first_token_ms=None,
        between_tokens_ms=None if scenario.whole else percentiles([gap * 1_000 for turn in good for gap in gaps(turn.seen_at)]),
        relay_ms=percentiles(_relay_ms(good, account)) if scenario.tokens_per_second else None,
        turn_ms=percentiles([(turn.ended_at - turn.began_at) * 1_000 for turn in good]),
        turns_per_second=len(good) / books.seconds if books.seconds else 0,
        tool_call_share=per(account.tool_calls, account.calls) if scenario.tool_every else None,
        rss_mb=stages[-1].rss_bytes / 1_000_000,
        client_core_share=books.driver_cpu / books.seconds if has_clients else None,
        stub_core_share=books.provider_cpu / books.seconds,
        windows=[window_of(stage, has_database=has_database) for stage in stages] if len(scenario.stages) > 1 else [],
    )


def failed_row(target: str, scenario: Scenario, failure: str) -> Row:
    """The row of a target that could not be measured at all."""
    nothing = [Stage(first_turn=1, last_turn=0, turns=[], books=Books(seconds=float("nan")), rss_bytes=float("nan"))]
    row = row_of(target, "", scenario, nothing, Account(), has_database=False, has_clients=False)
    return replace(row, failures={failure: row.turns}, windows=[])


def window_of(stage: Stage, *, has_database: bool) -> Window:
    good, books = _good(stage.turns), stage.books
    return Window(
        first_turn=stage.first_turn,
        last_turn=stage.last_turn,
        success_rate=per(len(good), len(stage.turns)),
        cpu_ms_per_turn=per(books.target_cpu * 1_000, len(good)),
        postgres_cpu_ms_per_turn=per(books.postgres_cpu * 1_000, len(good)) if has_database else None,
        kept_kb_per_turn=per(books.kept_bytes / 1_000, len(good)) if has_database else None,
        written_kb_per_turn=per(books.written_bytes / 1_000, len(good)) if has_database else None,
        turn_ms_p50=percentiles([(turn.ended_at - turn.began_at) * 1_000 for turn in good]).p50,
        rss_mb=stage.rss_bytes / 1_000_000,
    )


def with_miscounted(turns: Iterable[Turn], scenario: Scenario, account: Account) -> list[Turn]:
    """Of paced answers each token's way is known, or the turn has failed: no slow token is left out because it cannot be told."""
    if not scenario.tokens_per_second:
        return [*turns]
    return [
        turn if turn.failure or len(account.sent_at.get(turn.question, ())) == len(turn.seen_at) else replace(turn, failure=MISCOUNTED)
        for turn in turns
    ]


def with_added_first_token(rows: Sequence[Row]) -> list[Row]:
    """How much later than the stub's own its median first token came, where the stub was measured in the same run."""
    own = next((row.first_token_ms for row in rows if row.target == "stub"), None)
    return [
        replace(row, added_first_token_ms=row.first_token_ms.p50 - own.p50) if own and row.first_token_ms and row.target != "stub" else row
        for row in rows
    ]


def _good(turns: Iterable[Turn]) -> list[Turn]:
    return [turn for turn in turns if not turn.failure]


def _failures(turns: Sequence[Turn], scenario: Scenario) -> Mapping[str, int]:
    failures = Counter(turn.failure for turn in turns if turn.failure)
    if never_asked := scenario.users * scenario.turns - len(turns):
        failures[OUT_OF_TIME] += never_asked
    return failures


def _relay_ms(good: Sequence[Turn], account: Account) -> list[float]:
    return [delay * 1_000 for turn in good for delay in delays(account.sent_at[turn.question], turn.seen_at)]
