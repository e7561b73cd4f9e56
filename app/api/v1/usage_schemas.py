"""What usage answers."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field


class SpentOut(BaseModel):
    """Cached tokens are among the input's, reasoning tokens among the output's.

    `cost_usd` is the sum of what is known, None where nothing is; `unpriced_calls` are those whose cost nobody knows, failed ones among
    them. `from_cache_calls` were answered from this server's own cache.
    """

    calls: int
    failed_calls: int
    unpriced_calls: int
    from_cache_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float | None


class DaySpentOut(SpentOut):
    """One model on one day (UTC)."""

    day: date
    model: str


class UsageReport(BaseModel):
    """A day without calls has no items."""

    first_day: Annotated[date, Field(serialization_alias="from")]
    last_day: Annotated[date, Field(serialization_alias="to")]
    items: list[DaySpentOut]
    total: SpentOut
