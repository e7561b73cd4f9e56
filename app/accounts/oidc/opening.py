"""Open what signing in elsewhere takes; nothing is asked of the provider before the first one signs in."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from app.accounts.oidc.provider import Provider
from app.accounts.oidc.sign_in import SignIn
from app.internet.proxies import proxy_of
from app.settings import OidcSettings

_SECONDS: Final = 10
_CALLBACK: Final = "/api/v1/auth/oidc/callback"


@asynccontextmanager
async def open_sign_in(settings: OidcSettings, public_url: str) -> AsyncGenerator[SignIn | None]:
    if not settings.issuer:
        yield None
        return
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), proxy=proxy_of(settings.issuer)) as http:
        yield SignIn(Provider(http, settings.issuer), settings, public_url.rstrip("/") + _CALLBACK)
