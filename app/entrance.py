"""Open what proves who somebody is: passwords, tokens, logins, and the mail to them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from pydantic import SecretStr

from app.accounts.letters import EmailVerification, Letters, Post
from app.accounts.links import Links
from app.accounts.lockout import Lockout
from app.accounts.logins import Logins
from app.accounts.passwords import Passwords
from app.accounts.presence import Presence
from app.accounts.recovery import Recovery
from app.accounts.secrets import development_secret
from app.accounts.signing import SigningKeys
from app.accounts.tidying import forget_failures, prune_logins
from app.accounts.tokens import Tokens
from app.accounts.users import Door, Users
from app.mail import LoggedPost, SmtpPost
from app.persistence.audit import AuditTable
from app.persistence.database import Database
from app.persistence.login_failures import Limit, LoginFailures
from app.persistence.logins import LoginTable
from app.persistence.mailing import Letter, MailTable
from app.persistence.queue import EVERY_TEN_MINUTES, Chore, Job, by_id
from app.persistence.users import UserTable
from app.runs.chores import kept_up
from app.settings import Environment, ServerSettings, Settings

# The jobs for which the queue is patient.
LETTERS: Final = frozenset(Letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """`logins` lets somebody in who has shown who they are by whatever means; `keys` sign what must be known again."""

    users: Users
    logins: Logins
    recovery: Recovery
    presence: Presence
    keys: SigningKeys
    jobs: dict[str, Job]
    chores: list[Chore]


@asynccontextmanager
async def open_accounts(settings: Settings, database: Database) -> AsyncGenerator[Accounts]:
    bounds, pool = settings.accounts, database.pool
    keys = SigningKeys(_signing_key(settings), bounds.jwt_previous_secret_keys)
    table, failures, limit = _logins(settings, database), LoginFailures(pool), _limit(settings)
    tokens = Tokens(keys, timedelta(minutes=bounds.access_token_minutes))
    logins, users, mail, links = Logins(table, keys, tokens), UserTable(database), MailTable(pool), Links(keys, _public_url(settings))
    letters, audit = Letters(mail, links, _post(settings)), AuditTable(pool)
    verification = EmailVerification(letters, bounds.require_verified_email)
    with Passwords(bounds.parallel_hashes, bounds.hash_queue, memory_kib=bounds.hash_memory_kib) as passwords:
        door = Door(passwords, Lockout(failures, keys, audit, limit), verification, audit)
        async with _watching(Presence(table.ended)) as presence:
            yield Accounts(
                users=Users(users, door, logins, tokens),
                logins=logins,
                recovery=Recovery(letters, mail, users, links, passwords),
                presence=presence,
                keys=keys,
                jobs={letter: by_id(partial(letters.write, letter)) for letter in Letter},
                chores=_chores(table, failures, limit),
            )


def _chores(logins: LoginTable, failures: LoginFailures, limit: Limit) -> list[Chore]:
    return [
        Chore(name="prune_logins", cron=EVERY_TEN_MINUTES, do=partial(prune_logins, logins)),
        Chore(name="forget_login_failures", cron=EVERY_TEN_MINUTES, do=partial(forget_failures, failures, limit.forgotten_seconds)),
    ]


@asynccontextmanager
async def _watching(presence: Presence) -> AsyncGenerator[Presence]:
    watching = asyncio.create_task(kept_up(presence.watch), name="presence")
    try:
        yield presence
    finally:
        watching.cancel()
        await asyncio.wait([watching])


def _signing_key(settings: Settings) -> SecretStr:
    key = settings.accounts.jwt_secret_key
    return key if key.get_secret_value() else development_secret(settings.database.data_dir)


def _logins(settings: Settings, database: Database) -> LoginTable:
    bounds = settings.accounts
    return LoginTable(
        database.pool,
        login_days=bounds.login_days,
        idle_days=bounds.refresh_token_days,
        grace_seconds=bounds.refresh_grace_seconds,
    )


def _limit(settings: Settings) -> Limit:
    return Limit(free=settings.accounts.lockout_failures, longest_seconds=settings.accounts.lockout_seconds)


def _post(settings: Settings) -> Post | None:
    if settings.mail.smtp_url.get_secret_value():
        return SmtpPost(settings.mail.smtp_url, settings.mail.sender)
    return LoggedPost() if settings.environment is Environment.DEVELOPMENT else None


def _public_url(settings: Settings) -> str:
    return settings.server.public_url or _own_address(settings.server)


def _own_address(server: ServerSettings) -> str:
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"
