"""Wrong passwords of late, counted where every process sees them, and how long the next try has to wait for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from app.persistence.database import Pool, database_errors, execute

_HOUR_SECONDS: Final = 3600
_FIRST_SECONDS: Final = 5
_MOST_DOUBLINGS: Final = 30

# Whoever writes of these keys waits here, always in one order. Rows alone would not do: of one that another try deletes and a third writes
# anew, nobody knows until it is too late to wait in order.
_TURN: Final = """
SELECT pg_advisory_xact_lock(hashtext('milepost login failure'), number)
  FROM (SELECT DISTINCT hashtext(encode(key, 'hex')) AS number FROM unnest(%(keys)s::bytea[]) AS key ORDER BY number) AS turn
"""
_MEET: Final = """
INSERT INTO login_failure (key, failures, failed_at) SELECT key, 0, now() FROM unnest(%(keys)s::bytea[]) AS key ORDER BY key
ON CONFLICT DO NOTHING
"""
_HOLD: Final = """
SELECT key, failures, extract(epoch FROM clock_timestamp() - failed_at)::float8 AS age_seconds FROM login_failure
 WHERE key = ANY(%(keys)s) ORDER BY key FOR UPDATE
"""
_CAME_FROM: Final = "SELECT EXISTS (SELECT FROM login WHERE user_id = %(user_id)s AND address = %(address)s) AS came"
_COUNT: Final = """
UPDATE login_failure SET failures = CASE WHEN key = ANY(%(anew)s::bytea[]) THEN 1 ELSE failures + 1 END, failed_at = clock_timestamp()
 WHERE key = ANY(%(keys)s) RETURNING key, failures
"""
# The wait is from the answer on, however long that took.
_FAIL: Final = """
WITH answered AS (
    UPDATE login_failure SET failed_at = clock_timestamp() WHERE key = ANY(%(keys)s)
)
INSERT INTO login_failure AS kept (key, failures, failed_at) VALUES (%(key)s, 1, clock_timestamp())
ON CONFLICT (key) DO UPDATE SET failed_at = clock_timestamp(), failures =
   CASE WHEN kept.failed_at < clock_timestamp() - make_interval(secs => %(forgotten_seconds)s) THEN 1 ELSE kept.failures + 1 END
RETURNING failures
"""
_TAKE_BACK: Final = "UPDATE login_failure SET failures = failures - 1 WHERE key = ANY(%(keys)s) AND failures > 0 RETURNING key"
_CLEAR: Final = "DELETE FROM login_failure WHERE key = ANY(%(keys)s) RETURNING key"
# What somebody tries at this moment is left to the next time.
_FORGET: Final = """
DELETE FROM login_failure WHERE key IN (
    SELECT key FROM login_failure WHERE failed_at < now() - make_interval(secs => %(seconds)s) FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many failures are free; after each further one the next try waits twice as long, from five seconds up to the longest wait."""

    free: int
    longest_seconds: int

    @property
    def forgotten_seconds(self) -> int:
        """After so long without another they no longer count."""
        return self.longest_seconds + _HOUR_SECONDS

    def wait_seconds(self, failures: int, age_seconds: float) -> float:
        """How long the next try has to wait, when the last of so many failures is so old; 0 when it need not."""
        if failures < self.free or age_seconds > self.forgotten_seconds:
            return 0
        delay = min(_FIRST_SECONDS << min(failures - self.free, _MOST_DOUBLINGS), self.longest_seconds)
        return max(delay - age_seconds, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """What a try at a password is counted by, each by a key that tells nobody what it is of."""

    pair: bytes
    account: bytes
    address: bytes
    user_id: UUID | None
    client: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How long to wait; with no wait the try counts as failed until it is told otherwise, and `failures` has the counts."""

    wait_seconds: float
    failures: Mapping[bytes, int]


class LoginFailures:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, one: Try, limits: Mapping[bytes, Limit]) -> Judged:
        """Count a try, unless it must wait.

        Of a client from where this user has come in before, strangers cannot take the turn: there only its own failures count.
        """
        keys = [one.pair, one.account, one.address]
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_TURN, {"keys": keys})
                await connection.execute(_MEET, {"keys": keys})
                held = await _rows(connection, _HOLD, {"keys": keys})
                [known] = await _rows(connection, _CAME_FROM, {"user_id": one.user_id, "address": one.client})
                judged = {one.pair} if known["came"] else {*keys}
                waits = [limits[row["key"]].wait_seconds(row["failures"], row["age_seconds"]) for row in held if row["key"] in judged]
                if wait := max(waits, default=0):
                    return Judged(wait_seconds=wait, failures={})
                anew = [row["key"] for row in held if row["age_seconds"] > limits[row["key"]].forgotten_seconds]
                counted = await _rows(connection, _COUNT, {"keys": [one.pair, one.account], "anew": anew})
        return Judged(wait_seconds=0, failures={row["key"]: row["failures"] for row in counted})

    async def fail(self, one: Try, limit: Limit) -> int:
        """It was wrong: count it for the address too, whose users may all try at once; return how many that has."""
        values = {"keys": [one.pair, one.account], "key": one.address, "forgotten_seconds": limit.forgotten_seconds}
        [row] = await self._held([one.pair, one.account, one.address], _FAIL, values)
        return int(row["failures"])

    async def take_back(self, one: Try) -> None:
        """It came to no answer."""
        keys = [one.pair, one.account]
        await self._held(keys, _TAKE_BACK, {"keys": keys})

    async def clear(self, one: Try) -> None:
        """It was the right password."""
        keys = [one.pair, one.account]
        await self._held(keys, _CLEAR, {"keys": keys})

    async def forget(self, older_than_seconds: float) -> int:
        """Delete what no longer counts; return how much."""
        return await execute(self._pool, _FORGET, {"seconds": older_than_seconds})

    async def _held(self, keys: Sequence[bytes], statement: str, values: Mapping[str, Any]) -> Sequence[DictRow]:
        """The rows that a statement gives, once these keys are held for it."""
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_TURN, {"keys": keys})
                return await _rows(connection, statement, values)


async def _rows(connection: AsyncConnection[DictRow], statement: str, values: Mapping[str, Any]) -> Sequence[DictRow]:
    return await (await connection.execute(statement, values)).fetchall()
