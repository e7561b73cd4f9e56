"""All that is kept of one user, read as JSON row by row: what an export holds."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Final
from uuid import UUID

from app.persistence.database import Pool, database_errors

_ROWS_AT_ONCE: Final = 50
# One moment for all of it, however long it takes to read.
_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# The files of an export by name; each row is one JSON object. docs/privacy.md tells what each member means.
FILES: Final[Mapping[str, str]] = {
    "profile": 'SELECT id, email, email_verified_at, remembers, role, tier, created_at FROM "user" WHERE id = %(user_id)s',
    "logins": """
        SELECT id, address, user_agent, refreshed_at, revoked_at, created_at FROM login WHERE user_id = %(user_id)s ORDER BY id""",
    "audit": """
        SELECT id, event, actor_id IS NOT NULL AND actor_id <> %(user_id)s AS by_another,
               CASE WHEN actor_id IS NULL OR actor_id = %(user_id)s THEN address END AS address, details, created_at
          FROM audit WHERE user_id = %(user_id)s ORDER BY id""",
    "api_keys": "SELECT id, name, start, scopes, expires_at, last_used_at, created_at FROM api_key WHERE user_id = %(user_id)s ORDER BY id",
    "identities": """
        SELECT id, issuer, subject, created_at FROM identity WHERE user_id = %(user_id)s AND pending_hash IS NULL ORDER BY id""",
    "quota": "SELECT day, day_tokens, day_usd, month_tokens, month_usd FROM quota WHERE user_id = %(user_id)s",
    "sessions": "SELECT id, name, agent, remembers, temporary, created_at, updated_at FROM session WHERE user_id = %(user_id)s ORDER BY id",
    "configs": """
        SELECT session_config.session_id, version, config, session_config.created_at
          FROM session JOIN session_config ON session_config.session_id = session.id
         WHERE session.user_id = %(user_id)s ORDER BY session_config.session_id, version""",
    "transcripts": """
        SELECT message.session_id, message.id, message.run_id, run.parent_id AS parent_run_id, message.role,
               CASE WHEN message.role = 'assistant' THEN run.model END AS model, message.content, message.reasoning, message.tool_calls,
               message.steps, message.status, message.created_at
          FROM session JOIN message ON message.session_id = session.id JOIN run ON run.id = message.run_id
         WHERE session.user_id = %(user_id)s ORDER BY message.session_id, message.id""",
    "attachments": """
        SELECT attachment.id, attachment.name, attachment.media_type, attachment.bytes, attachment.sha256, attachment.created_at,
               ARRAY(SELECT message_id FROM message_attachment WHERE attachment_id = attachment.id ORDER BY message_id) AS sent_with
          FROM attachment WHERE user_id = %(user_id)s ORDER BY id""",
    "memories": """
        SELECT id, payload ->> 'data' AS text, payload - 'data' - 'user_id' AS details, created_at, closed_at, replaced_by
          FROM memory WHERE user_id = %(user_id)s ORDER BY created_at, id""",
    "usage": """
        SELECT id, session_id, run_id, attempt, model, purpose, input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost_usd,
               latency_ms, first_token_ms, from_cache, error_code, created_at
          FROM model_call WHERE user_id = %(user_id)s ORDER BY created_at, id""",
    "feedback": """
        SELECT message_id, score, comment, created_at, updated_at FROM feedback WHERE user_id = %(user_id)s ORDER BY created_at, message_id
        """,
    "judgements": """
        SELECT judgement.run_id, metric, value, error, judge, judgement.cost_usd, judgement.created_at
          FROM run JOIN judgement ON judgement.run_id = run.id WHERE run.user_id = %(user_id)s ORDER BY judgement.run_id, metric""",
    "webhooks": """
        SELECT id, url, statuses, session_id, include_message, is_on, off_reason, failing_since, created_at, updated_at
          FROM webhook WHERE user_id = %(user_id)s ORDER BY id""",
    "deliveries": """
        SELECT delivery.id, delivery.webhook_id, delivery.run_id, event, status, attempt, tries, delivery.created_at, finished_at
          FROM webhook JOIN webhook_delivery AS delivery ON delivery.webhook_id = webhook.id
         WHERE webhook.user_id = %(user_id)s ORDER BY delivery.id""",
    "questions": """
        SELECT interrupt.session_id, interrupt.id, interrupt.run_id, value, answer_schema, outcome, answer, interrupt.created_at,
               expires_at, closed_at
          FROM session JOIN interrupt ON interrupt.session_id = session.id
         WHERE session.user_id = %(user_id)s ORDER BY interrupt.session_id, interrupt.created_at, interrupt.id""",
}


class UserData:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, user_id: UUID) -> AsyncGenerator[tuple[str, Sequence[str]]]:
        """Yield some rows of a file at a time, the files one after the other, each at least once, be it with no rows."""
        with database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(_SNAPSHOT)
                for name, rows in FILES.items():
                    statement = f"SELECT row_to_json(one)::text AS line FROM ({rows}) AS one"
                    async with connection.cursor(name=name) as cursor:
                        await cursor.execute(statement, {"user_id": user_id})
                        while found := await cursor.fetchmany(_ROWS_AT_ONCE):
                            yield name, [row["line"] for row in found]
                    yield name, ()
