"""Count each request by its address before anything else is done for it, and tell in every answer where one stands."""

import math
from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.accounts.rates import Rates
from app.accounts.windows import Counted
from app.api.errors import problem
from app.api.limits.proxies import counted_as
from app.api.limits.routes import RouteLimits
from app.api.limits.told import Policy, told_of
from app.errors import AppError, LimitsUnavailable, RateLimited
from app.settings import LimitSettings

_NO_ADDRESS: Final = ("", 0)


class AddressLimits:
    """Plain ASGI; what it counts with is in the request's state, and none is needed where limits are off."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], settings: LimitSettings) -> None:
        self._app = app
        self._limits = RouteLimits(routes, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = told_of(scope)

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                told.head(message)
            await send(message)

        if refused := await self._count(scope):
            await problem(refused, scope["path"], scope.get("request_id", ""))(scope, receive, telling)
        else:
            await self._app(scope, receive, telling)

    async def _count(self, scope: Scope) -> AppError | None:
        group, windows = self._limits.of(scope["method"], scope["path"])
        if not windows:
            return None
        rates: Rates = scope["state"]["rates"]
        try:
            counted = await rates.windows.count(windows, counted_as((scope.get("client") or _NO_ADDRESS)[0]))
        except LimitsUnavailable as unavailable:
            return unavailable
        told_of(scope).policies += map(_policy, counted)
        over = max((one for one in counted if one.is_over), key=lambda one: one.seconds_left, default=None)
        return _refusal(over, group) if over else None


def _policy(one: Counted) -> Policy:
    return Policy(one.window.name, one.window.most, one.window.seconds, one.left, one.seconds_left)


def _refusal(over: Counted, group: str) -> RateLimited:
    return RateLimited(
        f"An address may make {over.window.most} requests of this kind in {over.window.seconds} seconds.",
        limit=over.window.most,
        limit_name=f"{over.window.name} {group}",
        retry_after=max(math.ceil(over.seconds_left), 1),
    )
