"""What was said in runs of late, for who judges the answers: a sample of them, each with the turns that led to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.persistence.database import Pool, fetch_all

# In an order that looks like chance and is the same for a seed. Of a temporary session nothing is kept, here neither.
_CHOSEN: Final = """
WITH RECURSIVE chosen AS (
    SELECT run.id FROM run JOIN session ON session.id = run.session_id JOIN "user" ON "user".id = run.user_id
      LEFT JOIN feedback ON feedback.message_id = run.message_id
     WHERE NOT session.temporary AND run.asked_id IS NOT NULL AND run.status IN ('completed', 'failed')
       AND (%(since)s::timestamptz IS NULL OR run.created_at >= %(since)s)
       AND (%(model)s = '' OR run.model = %(model)s)
       AND (%(agent)s = '' OR session.agent = %(agent)s)
       AND (%(tier)s = '' OR "user".tier = %(tier)s)
       AND (%(score)s::int IS NULL OR feedback.score = %(score)s)
       AND (%(error)s = '' OR run.error_code = %(error)s OR %(error)s = 'any' AND run.error_code IS NOT NULL)
     ORDER BY md5(run.id::text || %(seed)s::text), run.id LIMIT %(limit)s
), """
_LINES: Final = """
line AS (
    SELECT id AS sampled_id, id, 0 AS back FROM chosen
    UNION ALL
    SELECT line.sampled_id, run.parent_id, line.back + 1 FROM line JOIN run ON run.id = line.id
     WHERE run.parent_id IS NOT NULL AND line.back < %(turns)s - 1
)
SELECT line.sampled_id, line.back, run.id AS run_id, run.model, run.status, coalesce(run.error_code, '') AS error_code,
       asked.content AS said, coalesce(answer.content, '') AS answered, coalesce(answer.tool_calls, '[]') AS tool_calls,
       run.input_tokens, run.output_tokens, run.cost_usd,
       extract(epoch FROM run.first_token_at - run.created_at)::float8 AS first_token_seconds,
       coalesce(extract(epoch FROM run.finished_at - run.created_at)::float8, 0) AS seconds,
       feedback.score, coalesce(feedback.comment, '') AS comment
  FROM line JOIN run ON run.id = line.id JOIN message AS asked ON asked.id = run.asked_id
  LEFT JOIN message AS answer ON answer.id = run.message_id LEFT JOIN feedback ON feedback.message_id = run.message_id
 ORDER BY line.sampled_id, line.back DESC
"""
_SAMPLE: Final = _CHOSEN + _LINES
_ONE: Final = f"WITH RECURSIVE chosen AS (SELECT id FROM run WHERE id = %(run_id)s), {_LINES}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs; empty and None are any. `error` is a code, or `any`; `score` is what users thought of the answer, 1 or -1."""

    since: datetime | None = None
    model: str = ""
    agent: str = ""
    tier: str = ""
    error: str = ""
    score: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidTurn:
    """A message and its answer, word for word; `sampled_id` is the run that it led to, or that it is, with nothing `back`."""

    sampled_id: UUID
    back: int
    run_id: UUID
    model: str
    status: str
    error_code: str
    said: str
    answered: str
    tool_calls: Sequence[dict[str, Any]]
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    first_token_seconds: float | None
    seconds: float
    score: int | None
    comment: str


async def said_of_late(pool: Pool, wanted: Wanted, *, limit: int, seed: int, turns: int) -> list[Sequence[SaidTurn]]:
    """So many runs at the most, each as its last `turns` turns, itself last; the same for a seed as long as nothing is said or deleted."""
    values = {name: getattr(wanted, name) for name in wanted.__slots__}
    return _by_run(await fetch_all(pool, _SAMPLE, {**values, "limit": limit, "seed": seed, "turns": turns}))


async def said_in(pool: Pool, run_id: UUID, *, turns: int) -> Sequence[SaidTurn]:
    """One run as its last `turns` turns, itself last; nothing where it is gone."""
    runs = _by_run(await fetch_all(pool, _ONE, {"run_id": run_id, "turns": turns}))
    return runs[0] if runs else ()


def _by_run(rows: Sequence[dict[str, Any]]) -> list[Sequence[SaidTurn]]:
    runs: dict[UUID, list[SaidTurn]] = {}
    for row in rows:
        runs.setdefault(row["sampled_id"], []).append(SaidTurn(**row))
    return [said for said in runs.values() if said[-1].back == 0]
