"""What models cost, as the ledger has it: frozen values."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCall:
    """A call of a model as the ledger keeps it; the same `id` is written once."""

    id: UUID
    model: str
    purpose: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float | None
    latency_ms: int
    first_token_ms: int | None
    from_cache: bool
    error_code: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What calls came to; `cost_usd` is the sum of what is known, None where nothing is, and so many calls have no known price."""

    calls: int
    failed_calls: int
    unpriced_calls: int
    from_cache_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpent:
    """What the calls of a day (UTC) to a model came to."""

    day: date
    model: str
    spent: Spent
