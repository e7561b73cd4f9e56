"""Guessing passwords: a wait that grows with each failure, of an account from one address first.

Three counts, all in the database: of an account from one address; of an address, whatever the account; of an account, wherever from. The
first takes fewest failures, so that a stranger locks out themselves. The other two do not hold for who comes from where they have come
in before, so that no stranger can keep a user out. A try is counted before its password is looked at: any number at once are no way round.
"""

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, Protocol
from uuid import UUID

import structlog

from app import signals
from app.accounts.signing import SigningKeys
from app.errors import AppError, InvalidCredentials, TooManyAttempts, WrongPassword
from app.persistence.audit import Actor, AuditEvent
from app.persistence.login_failures import Judged, Limit, Try

# An office behind one address, and guesses from everywhere.
_TIMES_AN_ADDRESS: Final = 5
_TIMES_AN_ACCOUNT: Final = 10
# What one client has for itself.
_IPV6_PREFIX: Final = 64
# What is left of an address in an entry that no erasure would find.
_BLURRED_PREFIXES: Final = {4: 24, 6: 48}

log = structlog.get_logger()


class FailureStore(Protocol):
    async def begin(self, one: Try, limits: Mapping[bytes, Limit]) -> Judged: ...
    async def fail(self, one: Try, limit: Limit) -> int: ...
    async def take_back(self, one: Try) -> None: ...
    async def clear(self, one: Try) -> None: ...


class Audit(Protocol):
    async def add(self, event: str, user_id: UUID | None, actor: Actor, details: Mapping[str, Any] | None = None) -> None: ...


class Lockout:
    def __init__(self, store: FailureStore, keys: SigningKeys, audit: Audit, limit: Limit) -> None:
        """`limit` is of an account from one address."""
        self._store = store
        self._keys = keys
        self._audit = audit
        self._limit = limit

    @asynccontextmanager
    async def judging(self, account: str, user_id: UUID | None, address: str | None) -> AsyncGenerator[None]:
        """Count what happens inside: nothing, or InvalidCredentials or WrongPassword for a failure. Another AppError is no answer.

        Raise TooManyAttempts, and do not enter, when it must wait: whether there is such an account, and whatever the password.
        """
        one, limits = self._counted(account, user_id, address)
        judged = await self._store.begin(one, limits)
        if judged.wait_seconds:
            raise TooManyAttempts(retry_after=math.ceil(judged.wait_seconds))
        try:
            yield
        except (InvalidCredentials, WrongPassword):
            await self._failed(one, limits, judged, address)
            raise
        except AppError:
            await self._store.take_back(one)
            raise
        else:
            await self._store.clear(one)

    def _counted(self, account: str, user_id: UUID | None, address: str | None) -> tuple[Try, Mapping[bytes, Limit]]:
        network = _network(address)
        pair, of_account, of_address = map(self._key, (f"{account} {network}", account, network))
        limits = {pair: self._limit, of_account: self._times(_TIMES_AN_ACCOUNT), of_address: self._times(_TIMES_AN_ADDRESS)}
        return Try(pair=pair, account=of_account, address=of_address, user_id=user_id, client=address), limits

    def _key(self, words: str) -> bytes:
        return self._keys.mark("login failures", words.encode(errors="backslashreplace"))

    def _times(self, factor: int) -> Limit:
        return Limit(free=self._limit.free * factor, longest_seconds=self._limit.longest_seconds)

    async def _failed(self, one: Try, limits: Mapping[bytes, Limit], judged: Judged, address: str | None) -> None:
        failures = {**judged.failures, one.address: await self._store.fail(one, limits[one.address])}
        waits = {key: limits[key].wait_seconds(count, 0) for key, count in failures.items()}
        longest = max(waits, key=lambda key: waits[key])
        wait = waits[longest]
        # Of whom we know nothing an erasure would not find the address either.
        somebody = Actor(user_id=None, address=address if one.user_id else _blurred(address))
        await self._audit.add(AuditEvent.LOGIN_FAILED, one.user_id, somebody)
        if wait:
            signals.locked_out("address" if longest == one.address else "account")
            log.warning("login_locked", seconds=wait)
            await self._audit.add(AuditEvent.LOCKED, one.user_id, somebody, {"seconds": wait})


def _network(address: str | None) -> str:
    found = _read(address)
    return str(ip_network((found, _IPV6_PREFIX), strict=False)) if isinstance(found, IPv6Address) else str(found or address or "")


def _blurred(address: str | None) -> str | None:
    found = _read(address)
    return str(ip_network((found, _BLURRED_PREFIXES[found.version]), strict=False)) if found else None


def _read(address: str | None) -> IPv4Address | IPv6Address | None:
    """As IPv4 where it is one, for a socket of both kinds writes those as ::ffff:192.0.2.1; None for what is no address."""
    try:
        found = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
