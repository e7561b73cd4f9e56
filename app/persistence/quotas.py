"""Quotas outside the statements that begin and end runs, which count them as they go."""

from collections.abc import Collection
from functools import partial
from typing import Final
from uuid import UUID

from app.persistence.database import Pool, execute, fetch_all, patiently
from app.persistence.quota_values import QuotaState, Wish, held, state_of
from app.persistence.states import LIVE_SQL

_HELD_SQL: Final = f"""
SELECT coalesce(sum(reserved_tokens), 0) AS held_tokens, coalesce(sum(reserved_usd), 0) AS held_usd, count(*) AS runs
  FROM run WHERE user_id = %(user_id)s AND {LIVE_SQL}
"""
_READ: Final = f"SELECT * FROM quota_now(%(user_id)s), ({_HELD_SQL}) AS held"
_SUM: Final = f"""
WITH begun AS (SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS day), used AS (
    SELECT coalesce(sum(input_tokens + output_tokens) FILTER (WHERE created_at >= begun.day), 0)::bigint AS day_tokens,
           coalesce(sum(cost_usd) FILTER (WHERE created_at >= begun.day), 0) AS day_usd, 0 AS day_told,
           coalesce(sum(input_tokens + output_tokens), 0)::bigint AS month_tokens, coalesce(sum(cost_usd), 0) AS month_usd, 0 AS month_told
      FROM model_call, begun
     WHERE user_id = %(user_id)s AND created_at >= date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AND purpose <> 'judge'
)
SELECT * FROM used, ({_HELD_SQL}) AS held
"""
# The run first and then the counters, as a run's end does it: nobody who waits for the counters waits for whoever has this run.
_EXTEND: Final = f"""
WITH mine AS MATERIALIZED (
    SELECT id FROM run WHERE id = %(run_id)s AND attempt = %(attempt)s AND {LIVE_SQL} FOR NO KEY UPDATE
), asked AS MATERIALIZED (
    SELECT mine.id, quota_reserve(%(user_id)s, NULL, %(wish)s::numeric[]) AS quota FROM mine
), held AS (
    UPDATE run SET reserved_tokens = reserved_tokens + %(tokens)s, reserved_usd = reserved_usd + %(usd)s::numeric
      FROM asked WHERE run.id = asked.id AND asked.quota ->> 'over' IS NULL
)
SELECT quota FROM asked
"""
_FORGET: Final = """
DELETE FROM quota USING "user"
 WHERE "user".id = quota.user_id AND "user".tier <> ALL(%(counting)s) AND (%(others)s OR "user".tier = ANY(%(known)s))
"""


class QuotaTable:
    def __init__(self, pool: Pool, *, patience_seconds: float) -> None:
        self._pool = pool
        self._patience_seconds = patience_seconds

    async def read(self, user_id: UUID, *, counts: bool) -> QuotaState:
        """How a user's quotas stand; unless the tier `counts`, from the ledger, for there are no counters then."""
        return state_of((await fetch_all(self._pool, _READ if counts else _SUM, {"user_id": user_id}))[0])

    async def extend(self, user_id: UUID, run_id: UUID, attempt: int, wish: Wish) -> None:
        """Set more aside for a run that goes on, nothing for one that is not this attempt's; raise OverLimit.

        A database that is away is waited for.
        """
        values = {"user_id": user_id, "run_id": run_id, "attempt": attempt, "wish": wish.text, "tokens": wish.tokens, "usd": wish.usd}
        for row in await patiently(self._patience_seconds, partial(fetch_all, self._pool, _EXTEND, values)):
            held(row["quota"])

    async def forget(self, *, counting: Collection[str], known: Collection[str], others: bool) -> None:
        """Drop the counters of users whose tier counts nothing, so that they are made anew if it ever does.

        `others` says whether a tier that is not `known` counts nothing either.
        """
        await execute(self._pool, _FORGET, {"counting": [*counting], "known": [*known], "others": others})
