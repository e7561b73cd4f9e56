"""Deliveries in plain SQL: each is tried by one process at a time, and every write of a try carries its number."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from app.persistence.database import Pool, execute, fetch_all
from app.persistence.jobs import defer_sql, job_sql
from app.persistence.webhook_values import BegunDelivery, Delivery, Outcome, Seed

# As many webhooks as the settings let a user have.
_MOST_WEBHOOKS: Final = 100
_TRIES_KEPT: Final = 20
_LOST_SECONDS: Final = 10
_FOUND_AT_ONCE: Final = 1_000
_COLUMNS: Final = """
id, run_id, event, status, attempt, tries, CASE WHEN finished_at IS NULL THEN next_at END AS next_at, created_at, finished_at
"""
_OPEN: Final = "status IN ('waiting', 'trying')"


def _deliver_sql(at: str = "NULL") -> str:
    return job_sql("deliver", "delivery_id", "id", at=at)


# The job is done twice if its worker dies in it: the second time nothing is left to add.
_ANNOUNCE: Final = f"""
WITH wanted AS (
    SELECT webhook.id, run.id AS run_id, run.status, row_number() OVER (ORDER BY webhook.id) AS place
      FROM run JOIN webhook ON webhook.user_id = run.user_id
     WHERE run.id = %(run_id)s AND webhook.is_on AND run.status = ANY(webhook.statuses)
       AND (webhook.session_id IS NULL OR webhook.session_id = run.session_id)
), added AS (
    INSERT INTO webhook_delivery (id, webhook_id, run_id, event, status, attempt, failures, tries, next_at, created_at)
    SELECT ids.id, wanted.id, run_id, 'run.' || status, 'waiting', 0, 0, '[]', now(), now()
      FROM wanted JOIN unnest(%(ids)s::uuid[]) WITH ORDINALITY AS ids (id, place) USING (place)
    ON CONFLICT DO NOTHING RETURNING id
)
SELECT {defer_sql(f"ARRAY(SELECT {_deliver_sql()} FROM added)")} WHERE EXISTS (SELECT FROM added)
"""

# Not due is what another process tries at this moment, and what waits for its time. A run that is over stays as it is, so what is told is
# the same however often.
_BEGIN: Final = f"""
WITH due AS (
    SELECT delivery.id, webhook.user_id, webhook.url, webhook.is_on, webhook.include_message, salt, key_name,
           CASE WHEN old_ends_at > now() THEN old_salt END AS old_salt, old_key_name
      FROM webhook_delivery AS delivery JOIN webhook ON webhook.id = delivery.webhook_id
     WHERE delivery.id = %(id)s AND delivery.{_OPEN} AND next_at <= now() AND webhook.user_id <> ALL(%(busy)s)
       FOR UPDATE OF delivery SKIP LOCKED
), begun AS (
    UPDATE webhook_delivery AS delivery
       SET status = 'trying', attempt = attempt + 1, next_at = now() + make_interval(secs => %(seconds)s)
      FROM due WHERE delivery.id = due.id
    RETURNING delivery.id, webhook_id, run_id, attempt, failures, event, delivery.created_at
)
SELECT begun.id, webhook_id, due.user_id, begun.attempt, failures, event, begun.created_at, url, is_on,
       salt, key_name, old_salt, old_key_name,
       jsonb_build_object('id', run.id, 'session_id', run.session_id, 'status', run.status, 'model', run.model,
                          'error_code', run.error_code, 'message_id', run.message_id) AS run,
       jsonb_build_object('input_tokens', run.input_tokens, 'output_tokens', run.output_tokens,
                          'total_tokens', run.input_tokens + run.output_tokens, 'reasoning_tokens', run.reasoning_tokens,
                          'cached_tokens', run.cached_tokens, 'cost_usd', run.cost_usd) AS usage,
       run.created_at AS run_created_at, run.started_at, run.finished_at,
       CASE WHEN include_message THEN
           (SELECT coalesce(jsonb_agg(jsonb_build_object('id', message.id, 'role', role, 'content', content) ORDER BY message.id), '[]')
              FROM message WHERE message.run_id = run.id) END AS said
  FROM begun JOIN due USING (id) JOIN run ON run.id = begun.run_id
"""

# An endpoint that takes nothing for days is switched off, and one that says it is gone at once.
_RECORD: Final = f"""
WITH recorded AS (
    UPDATE webhook_delivery
       SET status = CASE WHEN %(ok)s THEN 'delivered' WHEN %(again)s::float8 IS NULL THEN 'failed' ELSE 'waiting' END,
           failures = failures + CASE WHEN %(ok)s THEN 0 ELSE 1 END,
           tries = CASE WHEN jsonb_array_length(tries) >= {_TRIES_KEPT} THEN tries - 0 ELSE tries END || %(try)s,
           next_at = now() + make_interval(secs => coalesce(%(again)s, 0)),
           finished_at = CASE WHEN %(ok)s OR %(again)s::float8 IS NULL THEN now() END
     WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'trying'
    RETURNING id, webhook_id, status, next_at
), judged AS (
    SELECT webhook.id, %(gone)s OR (%(off_days)s > 0 AND failing_since < now() - make_interval(days => %(off_days)s)) IS TRUE AS is_over
      FROM webhook JOIN recorded ON recorded.webhook_id = webhook.id WHERE CASE WHEN %(ok)s THEN failing_since IS NOT NULL ELSE is_on END
), marked AS (
    UPDATE webhook SET failing_since = CASE WHEN %(ok)s THEN NULL ELSE coalesce(failing_since, now()) END,
           is_on = is_on AND (%(ok)s OR NOT is_over),
           off_reason = CASE WHEN NOT %(ok)s AND is_over THEN CASE WHEN %(gone)s THEN 'gone' ELSE 'failing' END ELSE off_reason END
      FROM judged WHERE webhook.id = judged.id
    RETURNING webhook.id, NOT %(ok)s AND is_over AS is_switched_off
)
SELECT coalesce((SELECT is_switched_off FROM marked), false) AS is_switched_off,
       CASE WHEN status = 'waiting' THEN {defer_sql(f"ARRAY[{_deliver_sql('next_at')}]")} END
  FROM recorded
"""

_PUT_OFF: Final = f"""
WITH later AS (
    UPDATE webhook_delivery SET next_at = now() + make_interval(secs => %(seconds)s)
     WHERE id = %(id)s AND {_OPEN} AND next_at <= now() RETURNING id, next_at
)
SELECT {defer_sql(f"ARRAY[{_deliver_sql('next_at')}]")} FROM later
"""
# Those whose worker died in them, and those whose job is gone or was given up.
_REQUEUE: Final = f"""
WITH lost AS (
    SELECT id FROM webhook_delivery WHERE {_OPEN} AND next_at < now() - interval '{_LOST_SECONDS} s'
       AND id NOT IN (SELECT (args ->> 'delivery_id')::uuid FROM procrastinate_jobs WHERE task_name = 'deliver' AND status = 'todo')
     ORDER BY next_at LIMIT {_FOUND_AT_ONCE}
)
SELECT {defer_sql(f"ARRAY(SELECT {_deliver_sql()} FROM lost)")}, (SELECT count(*) FROM lost) AS found WHERE EXISTS (SELECT FROM lost)
"""
_PAGE: Final = f"""
SELECT {_COLUMNS} FROM webhook_delivery
 WHERE webhook_id = (SELECT id FROM webhook WHERE id = %(webhook_id)s AND user_id = %(user_id)s)
   AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s
"""
# One that is being tried is as it was asked for.
_AGAIN: Final = f"""
WITH asked AS (
    UPDATE webhook_delivery AS delivery SET status = 'waiting', failures = 0, next_at = now(), finished_at = NULL
      FROM webhook WHERE delivery.id = %(id)s AND delivery.webhook_id = %(webhook_id)s AND webhook.id = delivery.webhook_id
       AND webhook.user_id = %(user_id)s AND delivery.status <> 'trying'
    RETURNING delivery.id
)
SELECT {defer_sql(f"ARRAY[{_deliver_sql()}]")} FROM asked
"""
_FIND: Final = f"""
SELECT {_COLUMNS} FROM webhook_delivery
 WHERE id = %(id)s AND webhook_id = (SELECT id FROM webhook WHERE id = %(webhook_id)s AND user_id = %(user_id)s)
"""
_FORGET: Final = """
DELETE FROM webhook_delivery WHERE id IN (
    SELECT id FROM webhook_delivery WHERE finished_at < now() - make_interval(days => %(days)s) ORDER BY id LIMIT %(limit)s
)
"""


class DeliveryTable:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def announce(self, run_id: UUID) -> None:
        """Have each webhook that wants to know of this run's end told of it, once."""
        await fetch_all(self._pool, _ANNOUNCE, {"run_id": run_id, "ids": [uuid7() for _ in range(_MOST_WEBHOOKS)]})

    async def begin(self, delivery_id: UUID, *, busy: Sequence[UUID], seconds: float) -> BegunDelivery | None:
        """Begin a try that counts as lost after so many seconds; none for a user who is `busy`.

        None when it is not due, is over or gone, or another process has it.
        """
        rows = await fetch_all(self._pool, _BEGIN, {"id": delivery_id, "busy": [*busy], "seconds": seconds})
        return _begun(rows[0]) if rows else None

    async def record(self, begun: BegunDelivery, outcome: Outcome, off_days: int) -> bool:
        """Write down what came of a try; return whether the webhook was switched off for it.

        Nothing is written when it is not this try's any more.
        """
        told = {"attempt": begun.attempt, "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        told |= {"http_status": outcome.http_status, "ms": outcome.ms, "error": outcome.error}
        values = {"id": begun.id, "attempt": begun.attempt, "ok": outcome.ok, "again": outcome.again_seconds, "gone": outcome.is_gone}
        rows = await fetch_all(self._pool, _RECORD, {**values, "try": Jsonb([told]), "off_days": off_days})
        return bool(rows) and rows[0]["is_switched_off"]

    async def put_off(self, delivery_id: UUID, seconds: float) -> None:
        """Have one that is due tried so much later; nothing happens to any other."""
        await fetch_all(self._pool, _PUT_OFF, {"id": delivery_id, "seconds": seconds})

    async def requeue(self) -> int:
        """Put those that are long due, and have no job, into the queue again; return how many there were."""
        rows = await fetch_all(self._pool, _REQUEUE, {})
        return rows[0]["found"] if rows else 0

    async def page(self, user_id: UUID, webhook_id: UUID, *, limit: int, before: UUID | None) -> Sequence[Delivery]:
        """The newest first."""
        values = {"user_id": user_id, "webhook_id": webhook_id, "limit": limit, "before": before}
        return [Delivery(**row) for row in await fetch_all(self._pool, _PAGE, values)]

    async def again(self, user_id: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
        """Have it tried now, and again if need be; None when it is not the user's."""
        values = {"id": delivery_id, "user_id": user_id, "webhook_id": webhook_id}
        await fetch_all(self._pool, _AGAIN, values)
        rows = await fetch_all(self._pool, _FIND, values)
        return Delivery(**rows[0]) if rows else None

    async def forget(self, days: int, limit: int) -> int:
        """Delete some that were over so long ago; return how many."""
        return await execute(self._pool, _FORGET, {"days": days, "limit": limit})


def _begun(row: Mapping[str, Any]) -> BegunDelivery:
    seeds = [Seed(salt=row[f"{age}salt"], key_name=row[f"{age}key_name"]) for age in ("", "old_") if row[f"{age}salt"]]
    moments = {"created_at": row["run_created_at"], "started_at": row["started_at"], "finished_at": row["finished_at"]}
    names = ("id", "webhook_id", "user_id", "attempt", "failures", "event", "created_at", "url", "is_on", "said")
    return BegunDelivery(seeds=seeds, run={**row["run"], "usage": row["usage"], **moments}, **{name: row[name] for name in names})
