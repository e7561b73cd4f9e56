"""Take a request out of its user's bucket, once it is known whose it is."""

import math
from typing import Final

from starlette.types import Scope

from app.accounts.rates import Rates
from app.api.limits.told import Policy, told_of
from app.errors import RateLimited
from app.persistence.values import User

_NAME: Final = "user"


async def charge(scope: Scope, user: User) -> User:
    """The user, as a convenience; raise RateLimited. A request is charged once, however often it is asked whose it is."""
    told, rates = told_of(scope), _rates(scope)
    if told.charged or not rates.are_on:
        return user
    told.charged = True
    tier = rates.tiers.of(user.tier)
    drawn = await rates.buckets.draw(user.id, tier)
    told.policies.append(Policy(_NAME, tier.burst, tier.burst / tier.requests_per_second, drawn.left, drawn.full_seconds))
    if drawn.is_over:
        raise RateLimited(
            f"The tier {tier.name} may make {tier.burst} requests at once, and {tier.requests_per_second:g} a second.",
            limit=tier.burst,
            limit_name=_NAME,
            tier=tier.name,
            retry_after=max(math.ceil(drawn.retry_seconds), 1),
        )
    return user


def _rates(scope: Scope) -> Rates:
    rates: Rates = scope["state"]["rates"]
    return rates
