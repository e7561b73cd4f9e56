"""Memories that somebody has, put where the agent keeps them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

_KEEP: Final = """
INSERT INTO memory (id, vector, payload, created_at, closed_at, replaced_by)
SELECT %(id)s, '[1,0,0]', jsonb_build_object('data', %(text)s::text, 'user_id', "user".id), %(created_at)s,
       CASE WHEN %(replaced_by)s::uuid IS NOT NULL THEN now() END, %(replaced_by)s
  FROM "user" WHERE email = %(email)s
"""


def remember(
    database_url: str, text: str, *, email: str = "ada@example.com", replaced_by: str | None = None, age_minutes: float = 0
) -> str:
    """Remember something of a user; return its id, which is in no order, as mem0's are not."""
    memory_id = str(uuid.uuid4())
    created_at = datetime.now(UTC) - timedelta(minutes=age_minutes)
    values = {"id": memory_id, "text": text, "email": email, "replaced_by": replaced_by, "created_at": created_at}
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert connection.execute(_KEEP, values).rowcount == 1
    return memory_id
