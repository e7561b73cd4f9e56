"""The ledger of model calls: written with the end of a run or of a job, read by day and model."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from app.persistence.database import Pool, execute, fetch_all
from app.persistence.spending import DaySpent, LedgerCall, Spent
from app.persistence.values import columns_of

_COLUMNS: Final[Mapping[str, str]] = {
    "id": "uuid",
    "model": "text",
    "purpose": "text",
    "input_tokens": "int",
    "output_tokens": "int",
    "cached_tokens": "int",
    "reasoning_tokens": "int",
    "cost_usd": "numeric",
    "latency_ms": "int",
    "first_token_ms": "int",
    "from_cache": "bool",
    "error_code": "text",
    "created_at": "timestamptz",
}


def keep_calls_sql(whose: str, source: str) -> str:
    """A statement that writes `%(calls)s` once for the one row of `source`; `whose` are its user, session, run and attempt."""
    names = ", ".join(_COLUMNS)
    # An attempt tells again what it finds in a checkpoint, and cannot know whether that is written.
    return f"""INSERT INTO model_call (user_id, session_id, run_id, attempt, {names})
    SELECT {whose}, {", ".join(f"call.{name}" for name in _COLUMNS)}
      FROM {source}, jsonb_to_recordset(%(calls)s) AS call ({", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())})
    ON CONFLICT (id) DO NOTHING
    """


# What was written, which may be less than was told: only that is counted.
RETURNING_SQL: Final = " RETURNING user_id, created_at, input_tokens + output_tokens AS tokens, cost_usd"


def spend_sql(user_id: str, told: str) -> str:
    """Count what a statement has written, of which each row is a call."""
    return f"quota_spend({user_id}, array_agg(created_at), array_agg(tokens::bigint), array_agg(cost_usd), {told})"


# Nobody's, once the user is gone.
_KEEP: Final = keep_calls_sql('"user".id, %(session_id)s::uuid, NULL, NULL', '(SELECT id FROM "user" WHERE id = %(user_id)s) AS "user"')
_ADD: Final = f"""
WITH paid AS (
    {_KEEP}{RETURNING_SQL}
)
SELECT {spend_sql("user_id", "NULL")} FROM paid GROUP BY user_id
"""

# What judging has come to since midnight. A call that was cut off has no cost that anybody knows.
_JUDGED_TODAY: Final = """
SELECT coalesce(sum(cost_usd), 0)::float8 AS usd FROM model_call
 WHERE purpose = 'judge' AND created_at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
"""
# The last row is the sum of all, whose exact sum of money is another than that of the rounded ones.
_SPENT: Final = """
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, model, count(*) AS calls,
       count(*) FILTER (WHERE error_code IS NOT NULL) AS failed_calls,
       count(*) FILTER (WHERE cost_usd IS NULL AND NOT from_cache) AS unpriced_calls,
       count(*) FILTER (WHERE from_cache) AS from_cache_calls,
       coalesce(sum(input_tokens), 0)::bigint AS input_tokens, coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
       coalesce(sum(cached_tokens), 0)::bigint AS cached_tokens, coalesce(sum(reasoning_tokens), 0)::bigint AS reasoning_tokens,
       sum(cost_usd)::float8 AS cost_usd
  FROM model_call WHERE user_id = %(user_id)s AND created_at >= %(since)s AND created_at < %(until)s AND purpose <> 'judge'
 GROUP BY GROUPING SETS ((1, 2), ()) ORDER BY 1 NULLS LAST, 2
"""


class LedgerTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, user_id: UUID, session_id: UUID | None, calls: Sequence[LedgerCall], *, charged: bool = True) -> None:
        """Write calls that no run has made; nothing is written of a user who is gone.

        What is not `charged` is no part of the user's quota.
        """
        values = {"user_id": user_id, "session_id": session_id, "calls": as_recordset(calls)}
        await execute(self._pool, _ADD if charged else _KEEP, values)

    async def judged_today_usd(self) -> float:
        """What judging has come to since midnight (UTC), for all users."""
        return float((await fetch_all(self._pool, _JUDGED_TODAY, {}))[0]["usd"])

    async def spent(self, user_id: UUID, first: date, last: date) -> tuple[Sequence[DaySpent], Spent]:
        """What the user's calls came to from the first day to the last (UTC): by day and model, and in all.

        Those of judges are the operator's.
        """
        values = {"user_id": user_id, "since": _midnight(first), "until": _midnight(last) + timedelta(days=1)}
        rows = await fetch_all(self._pool, _SPENT, values)
        spent = [(row.pop("day"), row.pop("model"), Spent(**row)) for row in rows]
        return [DaySpent(day=day, model=model, spent=sum_) for day, model, sum_ in spent[:-1]], spent[-1][-1]


def as_recordset(calls: Sequence[LedgerCall]) -> Jsonb:
    return Jsonb([_as_json(call) for call in calls])


def _as_json(call: LedgerCall) -> dict[str, Any]:
    return columns_of(call) | {"id": str(call.id), "created_at": call.created_at.isoformat()}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
