"""Open what lets callers in beside an access token, and what operators do with accounts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from app.accounts.administration import Administration
from app.accounts.identities import Identities
from app.accounts.keys import Keys
from app.accounts.oidc.opening import open_sign_in
from app.accounts.oidc.sign_in import SignIn
from app.accounts.pages import Pages
from app.accounts.uses import Uses
from app.persistence.administration import AdministrationTable
from app.persistence.api_keys import ApiKeyTable
from app.persistence.audit import AuditTable
from app.persistence.database import Database, Pool
from app.persistence.identities import IdentityTable
from app.persistence.pages import PageTable
from app.persistence.uses import UseTable
from app.runs.chores import kept_up
from app.settings import Environment, Settings, Tiers

_USES_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`public_url` is where browsers find the server; empty is wherever they say. `sign_in` is None without a provider."""

    administration: Administration
    keys: Keys
    pages: Pages
    uses: Uses
    identities: Identities
    sign_in: SignIn | None
    public_url: str
    secure_cookies: bool


@asynccontextmanager
async def open_access(settings: Settings, database: Database, tiers: Tiers) -> AsyncGenerator[Access]:
    async with _noting_uses(database.pool) as uses, open_sign_in(settings.oidc, settings.server.public_url) as sign_in:
        yield Access(
            administration=administration_on(database.pool, tiers),
            keys=Keys(ApiKeyTable(database.pool), tiers),
            pages=Pages(PageTable(database.pool)),
            uses=uses,
            identities=Identities(IdentityTable(database.pool)),
            sign_in=sign_in,
            public_url=settings.server.public_url,
            secure_cookies=_is_secure(settings),
        )


def administration_on(pool: Pool, tiers: Tiers) -> Administration:
    return Administration(AdministrationTable(pool), AuditTable(pool), tiers.names)


def _is_secure(settings: Settings) -> bool:
    return settings.environment in {Environment.PRODUCTION, Environment.STAGING} or settings.server.is_public_over_tls


@asynccontextmanager
async def _noting_uses(pool: Pool) -> AsyncGenerator[Uses]:
    uses = Uses(UseTable(pool), _USES_SECONDS)
    writing = asyncio.create_task(kept_up(uses.keep_writing), name="uses")
    try:
        yield uses
    finally:
        writing.cancel()
        await asyncio.wait([writing])
