"""Take a request out of its user's bucket, once it is known whose it is."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from starlette.types import Scope

from app.accounts.rates import Rates
from app.api.limits.told import Policy, told_of
from app.errors import AppError, RateLimited
from app.persistence.accounts import User
from app.persistence.quota_values import OverLimit
from app.runs.quotas import Standing, Watch, standings

_NAME: Final = "user"


async def charge(scope: Scope, user: User) -> Policy | None:
    """Where the user stands, None where limits are off; raise RateLimited.

    A request is charged once, however often it is asked whose it is.
    """
    told, rates = told_of(scope), _rates(scope)
    if not rates.are_on:
        return None
    if told.user:
        return told.user
    tier = rates.tiers.of(user.tier)
    drawn = await rates.buckets.draw(user.id, tier)
    told.user = Policy(_NAME, tier.burst, tier.burst / tier.requests_per_second, drawn.left, drawn.full_seconds)
    told.policies.append(told.user)
    if drawn.is_over:
        raise RateLimited(
            f"The tier {tier.name} may make {tier.burst} requests at once, and {tier.requests_per_second:g} a second.",
            limit=tier.burst,
            limit_name=_NAME,
            tier=tier.name,
            retry_after=max(math.ceil(drawn.retry_seconds), 1),
        )
    return told.user


def tell_quota(scope: Scope, watch: Watch | None) -> None:
    """Have the answer tell how the quotas stand, with what is set aside for it; money in cents."""
    if watch:
        _tell(scope, watch.left())


def tell_refusal(scope: Scope, error: AppError) -> None:
    """The same, of an answer to who has nothing left."""
    if isinstance(over := error.__cause__, OverLimit):
        _tell(scope, standings(_rates(scope).tiers.of(str(error.extra["tier"])), over.state))


def _tell(scope: Scope, quotas: Iterable[Standing]) -> None:
    for one in quotas:
        if one.limit is not None and one.left is not None and one.resets_at:
            in_cents = "cost" in one.name
            scale, unit = (100, "us-cents") if in_cents else (1, "tokens")
            window = 86_400 if "day" in one.name else 30 * 86_400
            seconds = (one.resets_at - datetime.now(UTC)).total_seconds()
            name = one.name.removesuffix("_usd").replace("_", "-")
            told_of(scope).policies.append(Policy(name, int(one.limit * scale), window, int(one.left * scale), max(seconds, 0), unit))


def _rates(scope: Scope) -> Rates:
    rates: Rates = scope["state"]["rates"]
    return rates
