"""What one's tier allows, and what of it is used."""

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.api.deps import CurrentUser, QuotasDep
from app.api.limits.charging import charge
from app.api.limits.told import Policy
from app.runs.quotas import Standing

router = APIRouter()


class StandingOut(BaseModel):
    """`limit` is None where there is none; `reserved` is set aside for what is being answered."""

    limit: float | None
    used: float
    reserved: float
    resets_at: datetime | None


class QuotaOut(BaseModel):
    """`requests` are those that can be made at once, `runs` the answers being made.

    Tokens and cost (US dollars) are of the day (UTC), and of the calendar month. A call without a known price costs nothing here.
    """

    tier: str
    requests: StandingOut
    runs: StandingOut
    tokens: StandingOut
    cost: StandingOut
    tokens_month: StandingOut
    cost_month: StandingOut


@router.get("")
async def read_quota(request: Request, user: CurrentUser, quotas: QuotasDep) -> QuotaOut:
    """What one may use, what is used and set aside of it, and when it begins anew."""
    standings = {one.name: _out(one) for one in await quotas.standings(user)}
    return QuotaOut(
        tier=quotas.tier(user).name,
        requests=_requests(await charge(request.scope, user)),
        runs=standings["concurrent_runs"],
        tokens=standings["tokens_per_day"],
        cost=standings["cost_per_day_usd"],
        tokens_month=standings["tokens_per_month"],
        cost_month=standings["cost_per_month_usd"],
    )


def _out(one: Standing) -> StandingOut:
    return StandingOut.model_validate(one, from_attributes=True)


def _requests(policy: Policy | None) -> StandingOut:
    """This one among them."""
    if policy is None:
        return StandingOut(limit=None, used=0, reserved=0, resets_at=None)
    full_at = datetime.now(UTC) + timedelta(seconds=policy.seconds_left)
    return StandingOut(limit=policy.most, used=policy.most - policy.left, reserved=0, resets_at=full_at)
