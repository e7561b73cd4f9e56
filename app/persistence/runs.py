"""Runs in plain SQL: how each is read, kept, stopped and ended; every write carries the attempt that makes it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.persistence.accounts import OWNER_COLUMNS
from app.persistence.attached import attachments_of, attachments_sql
from app.persistence.channels import EVENTS, STOPS, WORK
from app.persistence.configured import agent_sql, config_sql
from app.persistence.database import Pool, database_errors, execute, fetch_all
from app.persistence.events import as_lines
from app.persistence.jobs import defer_sql, jobs_sql
from app.persistence.ledger import RETURNING_SQL, as_recordset, keep_calls_sql, spend_sql
from app.persistence.memory_search import recalls_sql
from app.persistence.quota_values import Held, state_of
from app.persistence.squeezing import squeezed
from app.persistence.states import LIVE_SQL
from app.persistence.turn_values import QueuedRun
from app.persistence.turns import RUN_COLUMNS
from app.persistence.users import user_of
from app.persistence.values import FinishedRun, Run, RunStatus, TakenRun, columns_of

_READ: Final = f"SELECT {RUN_COLUMNS} FROM run WHERE id = %(run_id)s AND user_id = %(user_id)s"

_ASKED: Final = """), asked AS (
    -- Withdrawn at once where the conversation goes on without an answer. A step that asks again does so under the same id.
    INSERT INTO interrupt (session_id, id, run_id, value, answer_schema, outcome, created_at, expires_at, closed_at)
    SELECT ended.session_id, question.id, ended.id, question.value, question.schema,
           CASE WHEN EXISTS (SELECT FROM next) THEN 'withdrawn' ELSE 'open' END, now(), %(expires_at)s,
           CASE WHEN EXISTS (SELECT FROM next) THEN now() END
      FROM ended, jsonb_to_recordset(%(questions)s) AS question (id text, value jsonb, schema jsonb)
    ON CONFLICT (session_id, id) DO UPDATE
       SET run_id = excluded.run_id, value = excluded.value, answer_schema = excluded.answer_schema, outcome = excluded.outcome,
           answer = NULL, answered_by = NULL, resumed_by = NULL, expires_at = excluded.expires_at, closed_at = excluded.closed_at
"""

_JOBS: Final = """
SELECT 'make_run', 'run_id', id FROM promoted WHERE background
UNION ALL SELECT 'name_session', 'session_id', id FROM unnamed
UNION ALL SELECT 'announce_run', 'run_id', id FROM ended
 WHERE EXISTS (SELECT FROM webhook WHERE webhook.user_id = ended.user_id AND is_on AND %(status)s = ANY(statuses))
"""

# The last events go with the end: a reader who sees `end` finds the answer in the transcript, and the log is whole. The turn
# passes to who waits for it, and the session's name to a model, in the same statement, for a process may die after any.
_END: Final = f"""
WITH ended AS (
    UPDATE run SET status = %(status)s, error_code = %(error_code)s, finished_at = now(), lease_expires_at = NULL,
           model = coalesce(%(model)s, model),
           input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s, reasoning_tokens = %(reasoning_tokens)s,
           cached_tokens = %(cached_tokens)s, cost_usd = %(cost_usd)s, first_token_at = %(first_token_at)s,
           checkpoint = coalesce(%(checkpoint)s, from_checkpoint),
           kept_from = coalesce(%(kept_from)s, (SELECT parent.kept_from FROM run AS parent WHERE parent.id = run.parent_id))
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = ANY(%(from_statuses)s)
    RETURNING id, session_id, user_id, attempt, checkpoint, waiting
), next AS (
    -- A run that ends while it waits has no turn to give.
    SELECT run.id FROM run JOIN ended ON ended.session_id = run.session_id AND ended.id <> run.id AND NOT ended.waiting
     WHERE run.waiting AND run.status = 'queued' ORDER BY run.id LIMIT 1 FOR UPDATE OF run SKIP LOCKED
), answered AS (
    INSERT INTO message (id, session_id, run_id, role, content, reasoning, tool_calls, steps, status, created_at)
    SELECT %(message_id)s, session_id, id, 'assistant', %(content)s, %(reasoning)s, %(tool_calls)s, %(steps)s, %(status)s, now()
      FROM ended
), logged AS (
    INSERT INTO run_event (run_id, first_sequence, last_sequence, events, created_at)
    SELECT id, %(first_sequence)s, %(last_sequence)s, %(lines)s, now() FROM ended
    ON CONFLICT (run_id, first_sequence) DO UPDATE SET last_sequence = excluded.last_sequence, events = excluded.events
{{asked}}), paid AS (
    {keep_calls_sql("ended.user_id, ended.session_id, ended.id, ended.attempt", "ended")}{{returning}}
), promoted AS (
    UPDATE run SET waiting = false, parent_id = ended.id, from_checkpoint = ended.checkpoint,
           lease_expires_at = CASE WHEN run.background THEN NULL WHEN run.owner IS NULL THEN now()
                                   ELSE now() + make_interval(secs => %(lease_seconds)s) END
      FROM ended, next WHERE run.id = next.id AND run.waiting AND run.status = 'queued'
    RETURNING run.id, run.session_id, run.background
), unnamed AS (
    SELECT session.id FROM session JOIN ended ON ended.session_id = session.id WHERE naming = 'words' AND %(status)s = 'completed'
), touched AS (
    UPDATE session SET naming = CASE WHEN EXISTS (SELECT FROM unnamed) THEN 'asked' ELSE naming END,
           head_run_id = coalesce((SELECT id FROM promoted), head_run_id)
      FROM ended WHERE session.id = ended.session_id AND (EXISTS (SELECT FROM unnamed) OR EXISTS (SELECT FROM promoted))
), job AS (
    {jobs_sql(_JOBS)}
)
SELECT id, {{counted}}CASE WHEN %(notify)s THEN pg_notify('{EVENTS}', id::text) END,
       (SELECT pg_notify('{WORK}', promoted.id::text) FROM promoted WHERE NOT background),
       CASE WHEN EXISTS (SELECT FROM job) THEN {defer_sql("ARRAY(SELECT job FROM job)")} END
  FROM ended
"""
# Several, for psycopg reads a statement of more than 4,096 characters anew each time. Counted first of all: a claim has locked the
# counters when it comes to the session, which is written last here.
_FINISHES: Final = {
    (asks, counted): squeezed(
        _END.replace("{asked}", _ASKED if asks else "")
        .replace("{returning}", RETURNING_SQL if counted else "")
        .replace("{counted}", f"(SELECT {spend_sql('ended.user_id', '%(told)s::integer[]')} FROM paid), " if counted else "")
    )
    for asks in (False, True)
    for counted in (False, True)
}
_QUEUED: Final = f"""
SELECT message_id, {agent_sql("run.session_id")} AS agent, extract(epoch FROM now() - created_at)::float AS age_seconds,
       reserved_tokens IS NOT NULL AS is_held
  FROM run WHERE id = %(run_id)s AND status = 'queued'
"""
_HAS_ENDED_SO: Final = "SELECT FROM run WHERE id = %(id)s AND attempt = %(attempt)s AND status = %(status)s AND finished_at IS NOT NULL"

# Locked in the order of their ids, as the event log does it: two statements over the same runs never wait for each other in a circle.
_RENEW: Final = f"""
WITH mine AS (
    SELECT id FROM run WHERE id = ANY(%(run_ids)s) AND owner = %(owner)s AND {LIVE_SQL} ORDER BY id FOR UPDATE
)
UPDATE run SET lease_expires_at = now() + make_interval(secs => %(lease_seconds)s) FROM mine WHERE run.id = mine.id
"""

# Each goes to one of the processes that look at the same moment. One that was never begun keeps its attempt; one that was handed
# back has no owner, and so nobody has died in it. An own checkpoint says that an earlier attempt got so far. How long attempts have
# worked on a run is known as far as they were heard of: the time until the next one is none of it.
_TAKE: Final = """
WITH free AS (
    SELECT id, status, owner, lease_expires_at - CASE WHEN owner IS NULL THEN 0 ELSE 1 END * make_interval(secs => %(lease_seconds)s)
               - coalesce(working_since, started_at) AS spent,
           CASE WHEN status = 'running' THEN lease_expires_at ELSE created_at END AS free_since,
           status = 'running' AND owner IS NOT NULL AS recovered
      FROM run WHERE NOT waiting AND ({which}) ORDER BY id LIMIT %(most)s FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE run SET status = 'running', owner = %(owner)s, lease_expires_at = now() + make_interval(secs => %(lease_seconds)s),
           started_at = coalesce(run.started_at, now()),
           working_since = CASE WHEN free.status = 'running' THEN now() - greatest(free.spent, interval '0') END,
           attempt = attempt + CASE WHEN free.status = 'running' THEN 1 ELSE 0 END,
           crashes = crashes + CASE WHEN free.recovered THEN 1 ELSE 0 END
      FROM free WHERE run.id = free.id
    RETURNING run.*, free.free_since, free.recovered
)
SELECT taken.id, taken.session_id, taken.attempt, taken.crashes, taken.model, taken.cache, taken.recovered,
       extract(epoch FROM now() - taken.created_at)::float AS age_seconds,
       extract(epoch FROM now() - taken.free_since)::float AS waited_seconds,
       coalesce(extract(epoch FROM now() - taken.working_since), 0)::float AS spent_seconds, taken.asked_id, taken.message_id,
       taken.from_checkpoint, taken.checkpoint AS replays, {recalls} AS recalls, {agent} AS agent, {config} AS config,
       coalesce(message.content, '') AS text, {owner}, taken.reserved_tokens, taken.reserved_usd, to_jsonb(quota) AS quota,
       parent.status AS parent_status, {attached} AS attachments,
       (SELECT jsonb_object_agg(interrupt.id, interrupt.answer) FROM interrupt WHERE interrupt.resumed_by = taken.id) AS answers,
       (SELECT checkpoint_id FROM checkpoints WHERE taken.attempt > 1 AND thread_id = taken.session_id::text AND checkpoint_ns = ''
           AND metadata ->> 'milepost_run' = taken.id::text ORDER BY checkpoint_id DESC LIMIT 1) AS checkpoint
  FROM taken LEFT JOIN message ON message.id = taken.asked_id LEFT JOIN run AS parent ON parent.id = taken.parent_id
       JOIN "user" ON "user".id = taken.user_id LEFT JOIN quota ON quota.user_id = taken.user_id
"""
_TAKEN: Final = {
    "owner": OWNER_COLUMNS,
    "recalls": recalls_sql("taken.session_id"),
    "agent": agent_sql("taken.session_id"),
    "config": config_sql("taken.session_id", "taken.config_version"),
    "attached": attachments_sql("taken.asked_id"),
}
_TAKE_FREE: Final = _TAKE.format(
    **_TAKEN,
    which=f"({LIVE_SQL} AND lease_expires_at <= now() AND id <> ALL(%(ours)s)) OR (status = 'queued' AND owner = %(owner)s)",
)
_TAKE_QUEUED: Final = _TAKE.format(**_TAKEN, which="status = 'queued' AND id = %(run_id)s")

_RELEASE: Final = f"""
WITH released AS (
    UPDATE run SET owner = NULL, lease_expires_at = now() WHERE id = %(run_id)s AND attempt = %(attempt)s AND {LIVE_SQL} RETURNING id
)
SELECT pg_notify('{WORK}', id::text) FROM released
"""
_RELEASE_QUEUED: Final = """
UPDATE run SET owner = NULL, lease_expires_at = now() WHERE owner = %(owner)s AND status = 'queued' AND NOT background
"""

_REQUEST_STOP: Final = f"""
WITH asked AS (UPDATE run SET stop_requested = true WHERE id = %(run_id)s AND {LIVE_SQL} RETURNING id)
SELECT pg_notify('{STOPS}', id::text) FROM asked
"""
_STOPS_REQUESTED: Final = f"SELECT id FROM run WHERE owner = %(owner)s AND stop_requested AND {LIVE_SQL}"

_LIVE: Final = (RunStatus.QUEUED, RunStatus.RUNNING)


class RunTable:
    """The runs one process owns; `owner` is its name in their leases."""

    def __init__(self, pool: Pool, *, owner: UUID, lease_seconds: float, tell: Callable[[Sequence[UUID]], None] | None = None) -> None:
        """Other processes are told of an end through `tell`, and through Postgres if that is None."""
        self._pool = pool
        self._tell = tell
        self._lease: Mapping[str, object] = {"owner": owner, "lease_seconds": lease_seconds}

    async def read(self, user_id: UUID, run_id: UUID) -> Run | None:
        with database_errors():
            async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Run)) as cursor:
                await cursor.execute(_READ, {"run_id": run_id, "user_id": user_id})
                return await cursor.fetchone()

    async def finish(self, run: FinishedRun, from_statuses: Sequence[RunStatus] = _LIVE) -> bool:
        """End the run, write the answer, and give the turn to who waits for it.

        False, and nothing written, when this attempt no longer holds the run or it is in none of these statuses.
        """
        values = columns_of(run) | {
            "from_statuses": [*from_statuses],
            "tool_calls": Jsonb([*run.tool_calls]),
            "steps": Jsonb([*run.steps]),
            "calls": as_recordset(run.calls),
            "questions": Jsonb([columns_of(question) for question in run.questions]),
            "first_sequence": run.events[0].sequence,
            "last_sequence": run.events[-1].sequence,
            "lines": as_lines(run.events),
            "notify": self._tell is None,
            "told": [*run.told],
        }
        statement = _FINISHES[bool(run.questions), run.counted]
        held = bool(await fetch_all(self._pool, statement, {**self._lease, **values}))
        if held and self._tell:
            self._tell([run.id])
        return held

    async def queued(self, run_id: UUID) -> QueuedRun | None:
        """None for a run that is begun."""
        rows = await fetch_all(self._pool, _QUEUED, {"run_id": run_id})
        return QueuedRun(**rows[0]) if rows else None

    async def has_ended_so(self, run: FinishedRun) -> bool:
        """Whether this end is written, be it that nobody heard of it."""
        return bool(await fetch_all(self._pool, _HAS_ENDED_SO, {"id": run.id, "attempt": run.attempt, "status": run.status}))

    async def renew_leases(self, run_ids: Sequence[UUID]) -> None:
        """Keep these runs; one of ours that is not named is left to expire."""
        await execute(self._pool, _RENEW, {**self._lease, "run_ids": [*run_ids]})

    async def take(self, most: int, ours: Sequence[UUID]) -> Sequence[TakenRun]:
        """Take runs whose process has not been heard of for its lease, and queued ones of ours whose turn it is.

        Those in `ours` are being made here, whatever their leases say.
        """
        return await self._take(_TAKE_FREE, most=most, ours=[*ours])

    async def take_queued(self, run_id: UUID) -> TakenRun | None:
        """Take this run for a worker; None when it has been begun, or is not its turn."""
        return next(iter(await self._take(_TAKE_QUEUED, most=1, run_id=run_id)), None)

    async def release(self, run_id: UUID, attempt: int) -> None:
        """Let whoever looks next take the run over at once, and tell them."""
        await execute(self._pool, _RELEASE, {"run_id": run_id, "attempt": attempt})

    async def release_queued(self) -> None:
        """Leave what waits for its turn here to others."""
        await execute(self._pool, _RELEASE_QUEUED, self._lease)

    async def request_stop(self, run_id: UUID) -> None:
        """Tell the run's process, wherever it is, to stop it; nothing happens to one that has ended."""
        await execute(self._pool, _REQUEST_STOP, {"run_id": run_id})

    async def stops_requested(self) -> Sequence[UUID]:
        """The runs of this process that somebody wants stopped."""
        return [row["id"] for row in await fetch_all(self._pool, _STOPS_REQUESTED, self._lease)]

    async def _take(self, statement: str, **values: object) -> Sequence[TakenRun]:
        return [_taken(row) for row in await fetch_all(self._pool, statement, {**self._lease, **values})]


def _taken(row: Mapping[str, Any]) -> TakenRun:
    names = (
        *("id", "session_id", "attempt", "crashes", "spent_seconds", "model", "cache", "asked_id", "message_id", "text", "from_checkpoint"),
        *("checkpoint", "answers", "recalls", "agent", "config", "replays", "waited_seconds", "recovered"),
    )
    parent_status = RunStatus(row["parent_status"]) if row["parent_status"] else None
    attachments = attachments_of(row["attachments"])
    held = _held(row) if row["quota"] and row["reserved_tokens"] is not None else None
    return TakenRun(
        user=user_of(row, "user_"),
        parent_status=parent_status,
        attachments=attachments,
        held=held,
        accepted_at=datetime.now(UTC) - timedelta(seconds=row["age_seconds"]),
        **{name: row[name] for name in names},
    )


def _held(row: Mapping[str, Any]) -> Held:
    return Held(tokens=row["reserved_tokens"], usd=float(row["reserved_usd"]), state=state_of(row["quota"]))
