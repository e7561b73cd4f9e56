"""What the user's model calls came to."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from app.api.deps import CurrentUser, LedgerDep
from app.api.v1.usage_schemas import DaySpentOut, SpentOut, UsageReport
from app.errors import InvalidInput

router = APIRouter()

_DEFAULT_DAYS: Final = 30
_MOST_DAYS: Final = 366
Day = Annotated[date, Field(ge=date(2000, 1, 1), lt=date(3000, 1, 1))]


async def _days(
    from_: Annotated[Day | None, Query(alias="from", description="The first day (UTC); 30 days up to `to` if left out")] = None,
    to: Annotated[Day | None, Query(description="The last day (UTC); today if left out")] = None,
) -> tuple[date, date]:
    last = to or datetime.now(UTC).date()
    first = from_ or last - timedelta(days=_DEFAULT_DAYS - 1)
    if not timedelta(0) <= last - first < timedelta(days=_MOST_DAYS):
        raise InvalidInput(f"`from` must not be after `to`, and the two at most {_MOST_DAYS} days.")
    return first, last


@router.get("")
async def read_usage(days: Annotated[tuple[date, date], Depends(_days)], user: CurrentUser, ledger: LedgerDep) -> UsageReport:
    """What one's own model calls came to, by day and model, and in all; the calls of runs that have not ended are not among them."""
    items, total = await ledger.spent(user.id, *days)
    return UsageReport(
        first_day=days[0],
        last_day=days[1],
        items=[DaySpentOut(day=item.day, model=item.model, **asdict(item.spent)) for item in items],
        total=SpentOut(**asdict(total)),
    )
