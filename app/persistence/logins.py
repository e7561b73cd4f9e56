"""Logins: what all tokens that come from one entry of a password have in common, and the refresh token that is good now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.persistence.accounts import Origin
from app.persistence.audit import Actor, AuditEvent, by_user_sql
from app.persistence.credentials import ENTERING, PAGE_IDLE
from app.persistence.database import Pool, fetch_all

# How long a login may go unused: the page's has its own time.
_IDLE: Final = f"CASE WHEN login.page_hash IS NULL THEN make_interval(days => %(idle_days)s) ELSE interval '{PAGE_IDLE.days} days' END"
# Of every login, whoever looks at it.
_LIVE: Final = f"""
login.revoked_at IS NULL AND login.created_at > now() - make_interval(days => %(login_days)s)
AND greatest(login.refreshed_at, login.seen_at) > now() - {_IDLE}
"""
_OPEN: Final = f"""
WITH entering AS ({ENTERING}), opened AS (
    INSERT INTO login (id, user_id, address, user_agent, refresh_hash, refreshed_at, created_at)
    SELECT %(login_id)s, user_id, %(address)s, %(user_agent)s, %(hash)s, now(), now() FROM entering RETURNING user_id
), told AS ({by_user_sql(AuditEvent.LOGGED_IN, "opened")})
SELECT user_id FROM opened
"""
# One statement, on one row that it holds: of two at once the second sees what the first has done.
_ROTATE: Final = f"""
WITH held AS (
    SELECT login.id, login.user_id, login.revoked_at, {_LIVE} AND "user".disabled_at IS NULL AS is_live,
           login.refresh_hash = %(hash)s AS is_current, login.successor,
           coalesce(login.previous_hash = %(hash)s, false)
           AND login.refreshed_at >= clock_timestamp() - make_interval(secs => %(grace_seconds)s) AS is_repeated
      FROM login JOIN "user" ON "user".id = login.user_id WHERE login.id = %(login_id)s FOR UPDATE OF login
), rotated AS (
    UPDATE login SET previous_hash = %(hash)s, refresh_hash = %(next_hash)s, successor = %(successor)s, refreshed_at = clock_timestamp()
      FROM held WHERE login.id = held.id AND held.is_live AND held.is_current RETURNING login.id
), reused AS (
    UPDATE login SET revoked_at = now()
      FROM held WHERE login.id = held.id AND held.revoked_at IS NULL AND %(is_genuine)s AND NOT held.is_current AND NOT held.is_repeated
    RETURNING login.user_id
), told AS ({by_user_sql(AuditEvent.REFRESH_REUSED, "reused", actor_id="NULL::uuid")})
SELECT user_id, successor, CASE WHEN EXISTS (SELECT FROM rotated) THEN 'rotated' WHEN EXISTS (SELECT FROM reused) THEN 'reused'
       WHEN is_live AND is_repeated THEN 'repeated' ELSE 'refused' END AS outcome
  FROM held
"""
_END: Final = f"""
WITH ended AS (
    UPDATE login SET revoked_at = now()
     WHERE user_id = %(user_id)s AND revoked_at IS NULL AND (%(login_id)s::uuid IS NULL OR id = %(login_id)s) RETURNING user_id
), told AS ({by_user_sql(AuditEvent.LOGGED_OUT, "ended", "jsonb_build_object('logins', (SELECT count(*) FROM ended))")})
SELECT user_id FROM ended
"""
_END_BY_TOKEN: Final = f"""
WITH ended AS (
    UPDATE login SET revoked_at = now() WHERE id = %(login_id)s AND revoked_at IS NULL AND %(hash)s IN (refresh_hash, previous_hash)
    RETURNING user_id
), told AS ({by_user_sql(AuditEvent.LOGGED_OUT, "ended", """'{"logins": 1}'""")})
SELECT user_id FROM ended
"""
_LIST: Final = f"""
SELECT id, address, user_agent, greatest(refreshed_at, seen_at) AS seen_at, created_at FROM login WHERE user_id = %(user_id)s AND {_LIVE}
 ORDER BY greatest(refreshed_at, seen_at) DESC, id LIMIT 100
"""
# Not logins that are gone altogether: an erasure has its own way to end what its user reads. A key that is revoked is gone.
_ENDED: Final = """
SELECT login.id FROM login JOIN "user" ON "user".id = login.user_id
 WHERE login.id = ANY(%(login_ids)s) AND (login.revoked_at IS NOT NULL OR "user".disabled_at IS NOT NULL)
UNION ALL
SELECT given.id FROM unnest(%(key_ids)s::uuid[]) AS given (id) WHERE NOT EXISTS (
       SELECT FROM api_key JOIN "user" ON "user".id = api_key.user_id AND "user".disabled_at IS NULL
        WHERE api_key.id = given.id AND (api_key.expires_at IS NULL OR api_key.expires_at > now()))
"""
# A day after its end it is of no use to anybody; and nobody needs the way from a refresh token to the next any more.
_PRUNE: Final = f"""
WITH over AS (
    DELETE FROM login WHERE revoked_at < now() - interval '1 day' OR created_at < now() - make_interval(days => %(login_days)s)
        OR coalesce(greatest(refreshed_at, seen_at), created_at) < now() - {_IDLE} RETURNING id
), closed AS (
    UPDATE login SET successor = NULL WHERE successor IS NOT NULL AND refreshed_at < now() - interval '10 min'
)
SELECT count(*) AS over FROM over
"""


class Outcome(StrEnum):
    """What became of a refresh token: a new one, the one that its first use got, a theft, or nothing at all."""

    ROTATED = "rotated"
    REPEATED = "repeated"
    REUSED = "reused"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A login that is to be; `password_hash` is the one that was matched, None where it was no password that proved who it is."""

    user_id: UUID
    login_id: UUID
    refresh_hash: bytes
    password_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """`is_genuine` says that the token was once given for this login, be it long ago; `successor` is the next one for who has this one."""

    login_id: UUID
    hash: bytes
    is_genuine: bool
    next_hash: bytes
    successor: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    outcome: Outcome
    user_id: UUID | None = None
    successor: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somewhere a user is logged in."""

    id: UUID
    address: str | None
    user_agent: str | None
    seen_at: datetime
    created_at: datetime


class LoginTable:
    def __init__(self, pool: Pool, *, login_days: int, idle_days: int, grace_seconds: float) -> None:
        self._pool = pool
        self._bounds = {"login_days": login_days, "idle_days": idle_days, "grace_seconds": grace_seconds}

    async def open(self, opening: Opening, origin: Origin) -> bool:
        """Write it and the audit log; False for a user who is gone, may not come in, or has another password by now."""
        values = {
            "user_id": opening.user_id,
            "login_id": opening.login_id,
            "hash": opening.refresh_hash,
            "password_hash": opening.password_hash,
            "user_agent": origin.user_agent,
        }
        return bool(await fetch_all(self._pool, _OPEN, {**values, **Actor(user_id=None, address=origin.address).values}))

    async def rotate(self, rotation: Rotation, address: str | None) -> Rotated:
        """Give the next refresh token for this one, or end the login when it is used a second time, for then two have it."""
        values = {
            "login_id": rotation.login_id,
            "hash": rotation.hash,
            "is_genuine": rotation.is_genuine,
            "next_hash": rotation.next_hash,
            "successor": rotation.successor,
        }
        rows = await fetch_all(self._pool, _ROTATE, {**values, **self._bounds, **Actor(user_id=None, address=address).values})
        return Rotated(**{**rows[0], "outcome": Outcome(rows[0]["outcome"])}) if rows else Rotated(outcome=Outcome.REFUSED)

    async def end(self, user_id: UUID, address: str | None, *, login_id: UUID | None = None) -> int:
        """End one of the user's logins, or all of them; return how many."""
        values = {"user_id": user_id, "login_id": login_id}
        return len(await fetch_all(self._pool, _END, {**values, **Actor(user_id=None, address=address).values}))

    async def end_by_token(self, login_id: UUID, refresh_hash: bytes, address: str | None) -> None:
        """End the login whose refresh token this is, or was just before."""
        await fetch_all(
            self._pool, _END_BY_TOKEN, {"login_id": login_id, "hash": refresh_hash, **Actor(user_id=None, address=address).values}
        )

    async def list(self, user_id: UUID) -> Sequence[Login]:
        """Those of the user that can still be refreshed, the last used first; a hundred at the most."""
        return [Login(**row) for row in await fetch_all(self._pool, _LIST, {"user_id": user_id, **self._bounds})]

    async def ended(self, login_ids: Collection[UUID], key_ids: Collection[UUID] = ()) -> Collection[UUID]:
        """Those of them, and of API keys, that were ended before their time, or whose user may not come in."""
        return {row["id"] for row in await fetch_all(self._pool, _ENDED, {"login_ids": [*login_ids], "key_ids": [*key_ids]})}

    async def prune(self) -> int:
        """Delete those that are over; return how many."""
        return int((await fetch_all(self._pool, _PRUNE, self._bounds))[0]["over"])
