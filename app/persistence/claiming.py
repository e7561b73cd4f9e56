"""The statements that start a run: one for each way, and its indexes are the locks.

Where a user's tier counts anything, the same statement sets aside what the run may come to, or says which limit is reached.
"""

from typing import Final

from app.persistence.configured import agent_sql, config_sql
from app.persistence.jobs import make_run_sql
from app.persistence.memory_search import recalls_sql
from app.persistence.squeezing import squeezed
from app.persistence.states import TURN_SQL

_MOST_WAITING: Final = 20
_WAITS_SQL: Final = "run.waiting AND run.status = 'queued'"

_NEW_COLUMNS: Final = (
    "id, session_id, user_id, status, attempt, crashes, model, parent_id, from_checkpoint, waiting, background, cache, config_version, "
    "asked_id, message_id, idempotency_key, body_hash, stop_requested, owner, lease_expires_at, input_tokens, output_tokens, "
    "reasoning_tokens, cached_tokens, created_at, started_at"
)
# A run that is made at once is leased to its process, and so is one that waits: others begin it when its process does not.
_NEW_VALUES: Final = """
%(id)s, place.session_id, place.user_id, CASE WHEN place.queued THEN 'queued' ELSE 'running' END, 1, 0, %(model)s, place.parent_id,
(SELECT checkpoint FROM run WHERE id = place.parent_id), place.waiting, %(background)s, %(cache)s,
place.config_version,
%(asked_id)s::uuid, %(message_id)s, %(idempotency_key)s, %(body_hash)s, false, CASE WHEN %(background)s THEN NULL ELSE %(owner)s::uuid END,
CASE WHEN NOT %(background)s THEN now() + make_interval(secs => %(lease_seconds)s) END, 0, 0, 0, 0, now(),
CASE WHEN NOT place.queued THEN now() END
"""

# The turn lock is the unique index over runs that have a turn, and a request sent twice meets the one over idempotency keys: a
# second claim inserts nothing, and so writes no message either.
_ATTACHED: Final = """), attached AS (
    -- Locked, for what nobody has sent is forgotten one day.
    SELECT attachment.id, wanted.place FROM attachment JOIN unnest(%(attachment_ids)s::uuid[]) WITH ORDINALITY AS wanted (id, place)
        ON wanted.id = attachment.id WHERE attachment.user_id = %(user_id)s FOR KEY SHARE OF attachment
), sent AS (
    INSERT INTO message_attachment (message_id, place, attachment_id)
    SELECT %(asked_id)s, attached.place, attached.id FROM attached, claimed
"""
# Set aside before anything is written: who claims for the same user at the same moment waits here.
_HELD: Final = """, held AS MATERIALIZED (
    SELECT place.*, quota_reserve(place.user_id, place.parent_id, %(wish)s::numeric[]) AS quota FROM place
)"""
_HELD_COLUMNS: Final = ", reserved_tokens, reserved_usd"
_HELD_VALUES: Final = ", (place.quota ->> 'tokens')::numeric::bigint, (place.quota ->> 'usd')::numeric"
_FROM_HELD: Final = "held AS place WHERE place.quota ->> 'over' IS NULL"
_TELL: Final = ", held.quota, claimed.id AS claimed_id"
_TOLD: Final = "held LEFT JOIN claimed ON true"


def _claim_sql(*, attached: str, held: bool) -> str:
    return squeezed(f"""
WITH found AS (
    SELECT session.id AS session_id, session.user_id, session.config_version,
           CASE WHEN %(forks)s THEN %(parent_id)s::uuid ELSE session.head_run_id END AS parent_id,
           %(waits)s AND EXISTS (SELECT FROM run WHERE run.session_id = session.id AND {TURN_SQL}) AS waiting
      FROM session WHERE session.id = %(session_id)s AND session.user_id = %(user_id)s
), place AS (
    -- A run that ends this very moment may have freed the turn, and not be seen to have: where it ended is not known then.
    SELECT *, waiting OR %(background)s AS queued FROM found
     WHERE CASE WHEN waiting THEN (SELECT count(*) FROM run WHERE run.session_id = found.session_id AND {_WAITS_SQL}) < {_MOST_WAITING}
                ELSE NOT EXISTS (SELECT FROM run WHERE run.session_id = found.session_id AND {TURN_SQL}) END
){_HELD if held else ""}, claimed AS (
    INSERT INTO run ({_NEW_COLUMNS}{_HELD_COLUMNS if held else ""})
    SELECT {_NEW_VALUES}{_HELD_VALUES if held else ""} FROM {_FROM_HELD if held else "place"}
    ON CONFLICT DO NOTHING RETURNING id, session_id, parent_id, from_checkpoint, status, waiting, config_version
), said AS (
    INSERT INTO message (id, session_id, run_id, role, content, reasoning, tool_calls, status, created_at)
    SELECT %(asked_id)s, session_id, id, 'user', %(text)s, '', '[]', 'completed', now() FROM claimed
{attached}), touched AS (
    UPDATE session SET updated_at = now(), prunable = true, unremembered_since = coalesce(unremembered_since, now()),
           head_run_id = CASE WHEN claimed.waiting THEN head_run_id ELSE claimed.id END,
           name = CASE WHEN naming = 'open' THEN %(title)s ELSE name END, naming = CASE WHEN naming = 'open' THEN 'words' ELSE naming END
      FROM claimed WHERE session.id = claimed.session_id
), withdrawn AS (
    UPDATE interrupt SET outcome = 'withdrawn', closed_at = now()
      FROM claimed WHERE interrupt.run_id = claimed.parent_id AND outcome = 'open' AND NOT claimed.waiting
)
SELECT claimed.status = 'queued' AS queued, claimed.from_checkpoint, parent.status AS parent_status,
       {recalls_sql("claimed.session_id")} AS recalls,
       {agent_sql("claimed.session_id")} AS agent, {config_sql("claimed.session_id", "claimed.config_version")} AS config,
       CASE WHEN %(background)s AND NOT claimed.waiting THEN {make_run_sql("claimed.id")} END
       {_TELL if held else ""}
  FROM {_TOLD if held else "claimed"} LEFT JOIN run AS parent ON parent.id = claimed.parent_id
""")


def _resume_sql(*, held: bool) -> str:
    return squeezed(f"""
WITH place AS (
    SELECT session.id AS session_id, session.user_id, session.config_version, session.head_run_id AS parent_id, false AS waiting,
           %(background)s AS queued
      FROM session WHERE session.id = %(session_id)s AND session.user_id = %(user_id)s
       AND NOT EXISTS (SELECT FROM run WHERE run.session_id = session.id AND {TURN_SQL})
){_HELD if held else ""}, claimed AS (
    INSERT INTO run ({_NEW_COLUMNS}{_HELD_COLUMNS if held else ""})
    SELECT {_NEW_VALUES}{_HELD_VALUES if held else ""} FROM {_FROM_HELD if held else "place"}
    ON CONFLICT DO NOTHING RETURNING id, session_id, from_checkpoint, config_version
), touched AS (
    UPDATE session SET updated_at = now(), prunable = true, unremembered_since = coalesce(unremembered_since, now()),
           head_run_id = claimed.id
      FROM claimed WHERE session.id = claimed.session_id
)
SELECT %(background)s AS queued, claimed.from_checkpoint, 'interrupted' AS parent_status,
       {recalls_sql("claimed.session_id")} AS recalls,
       {agent_sql("claimed.session_id")} AS agent, {config_sql("claimed.session_id", "claimed.config_version")} AS config,
       CASE WHEN %(background)s AND claimed.id IS NOT NULL THEN {make_run_sql("claimed.id")} END
       {_TELL if held else ""}
  FROM {_TOLD if held else "claimed"}
""")


# More than one, for psycopg reads a statement of more than 4,096 characters anew each time, and few messages have attachments; nobody
# pays for quotas who has none.
_CLAIMS: Final = {
    (attached, held): _claim_sql(attached=_ATTACHED if attached else "", held=held) for attached in (False, True) for held in (False, True)
}
_RESUMES: Final = {held: _resume_sql(held=held) for held in (False, True)}


def claim_sql(*, attached: bool, held: bool) -> str:
    return _CLAIMS[attached, held]


def resume_sql(*, held: bool) -> str:
    return _RESUMES[held]
