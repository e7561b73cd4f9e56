"""What judges say of answers: which runs they are still to judge, and what they said, for each run and metric once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.persistence.database import Pool, database_errors, execute, fetch_all
from app.persistence.jobs import defer_sql, job_sql
from app.persistence.said import SaidTurn, said_in

_MOST_RUNS: Final = 100
_MOST_TURNS: Final = 20
_LATEST_HOURS: Final = 6

# By the run's id alone, so that all workers sample the same; not by its own last bits, by which traces are sampled.
SAMPLED_SQL: Final = "('x' || left(md5(run.id::text), 8))::bit(32)::bigint < %(rate)s * 4294967296"
# Of a temporary session nothing is kept, and what was attached no judge sees.
_JUDGED_SQL: Final = """
run.status = 'completed' AND run.asked_id IS NOT NULL AND NOT session.temporary
AND NOT EXISTS (SELECT FROM message_attachment WHERE message_attachment.message_id = run.asked_id)
"""
_KEY_SQL: Final = "'judge ' || run.id"
# Ids are ordered by time: the first one of a moment.
_SINCE_SQL: Final = f"""
(lpad(to_hex((extract(epoch FROM now() - interval '{_LATEST_HOURS} hours') * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
"""
# Two that look at once would each put a job there, of which the queue would refuse the second with an error.
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtext('milepost judge')) AS alone"
_QUEUE: Final = f"""
WITH due AS (
    SELECT {job_sql("judge_run", "run_id", "run.id", lock=_KEY_SQL)} AS job
      FROM run JOIN session ON session.id = run.session_id
     WHERE run.id >= {_SINCE_SQL} AND {_JUDGED_SQL} AND {SAMPLED_SQL}
       AND (SELECT count(*) FROM judgement WHERE run_id = run.id AND metric = ANY(%(metrics)s)) < cardinality(%(metrics)s::text[])
       -- A job that the queue has given up is not begun again.
       AND NOT EXISTS (SELECT FROM procrastinate_jobs AS job WHERE job.lock = {_KEY_SQL} AND job.status IN ('todo', 'doing', 'failed'))
     ORDER BY run.id LIMIT {_MOST_RUNS}
)
SELECT {defer_sql("ARRAY(SELECT job FROM due)")} WHERE EXISTS (SELECT FROM due)
"""
_TO_JUDGE: Final = f"""
SELECT run.user_id, run.session_id, ARRAY(SELECT metric FROM judgement WHERE run_id = run.id) AS done
  FROM run JOIN session ON session.id = run.session_id WHERE run.id = %(run_id)s AND {_JUDGED_SQL}
"""
# Nobody's, once the run is gone.
_KEEP: Final = """
INSERT INTO judgement (run_id, metric, value, error, judge, cost_usd, created_at)
SELECT id, %(metric)s, %(value)s, %(error)s, %(judge)s, %(cost_usd)s::numeric, now() FROM run WHERE id = %(run_id)s
ON CONFLICT DO NOTHING
"""
_KEEP_AND_TELL: Final = f"""
WITH kept AS ({_KEEP} RETURNING run_id)
SELECT {defer_sql(f"ARRAY[{job_sql('score_judgements', 'run_id', 'run_id')}]")} FROM kept
"""
_VERDICTS: Final = "SELECT metric, value, created_at FROM judgement WHERE run_id = %(run_id)s AND value IS NOT NULL ORDER BY metric"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a judge said; without a `value` there is a code of why. `cost_usd` is None where nobody knows it."""

    metric: str
    value: float | None
    error: str
    judge: str
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    metric: str
    value: float
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToJudge:
    """A run that may be judged, with all that led to its answer; by `done` it was judged before."""

    user_id: UUID
    session_id: UUID
    done: Sequence[str]
    said: Sequence[SaidTurn]


class JudgementTable:
    def __init__(self, pool: Pool, *, tells: bool = False) -> None:
        """One that `tells` has a job done for each verdict, `score_judgements`."""
        self._pool = pool
        self._keep = _KEEP_AND_TELL if tells else _KEEP

    async def queue_due(self, rate: float, metrics: Sequence[str]) -> None:
        """Put a job there for each answered run of the sample, of the last hours, that has not been judged by all of these."""
        values: Mapping[str, Any] = {"rate": rate, "metrics": [*metrics]}
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                row = await (await connection.execute(_ALONE)).fetchone()
                if row and row["alone"]:
                    await connection.execute(_QUEUE, values)

    async def to_judge(self, run_id: UUID) -> ToJudge | None:
        """None when the run is gone, or is not to be judged."""
        found = await fetch_all(self._pool, _TO_JUDGE, {"run_id": run_id})
        said = await said_in(self._pool, run_id, turns=_MOST_TURNS) if found else ()
        return ToJudge(said=said, **found[0]) if said else None

    async def keep(self, run_id: UUID, verdict: Verdict) -> bool:
        """Write it; False, and nothing written, where there is one already or the run is gone."""
        return await execute(self._pool, self._keep, {"run_id": run_id, **asdict(verdict)}) > 0

    async def scores(self, run_id: UUID) -> Sequence[Scored]:
        """What judges said of the run, without what could not be judged."""
        return [Scored(**row) for row in await fetch_all(self._pool, _VERDICTS, {"run_id": run_id})]
