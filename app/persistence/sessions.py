"""Sessions and their transcripts; every query filters by the user in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from app.persistence.accounts import OWNER_COLUMNS
from app.persistence.attached import attachments_sql
from app.persistence.configured import Held, SessionConfig, config_sql
from app.persistence.credentials import BEHIND, PROOF_COLUMNS, Caller, Proof
from app.persistence.database import AFTER_ALL, Database, database_errors, execute, fetch_all, transaction
from app.persistence.deleting import delete_session, empty_session, lock_session
from app.persistence.users import caller_of
from app.persistence.values import Message, Role, RunStatus, Session

_OF_AGENT: Final = f"agent, config_version, {config_sql('session.id', 'session.config_version')} AS config"
_COLUMNS: Final = f"id, name, naming = 'done' AS name_is_final, remembers, temporary, {_OF_AGENT}, created_at, updated_at"
_READ_SESSION: Final = f"SELECT {_COLUMNS} FROM session WHERE id = %(session_id)s AND user_id = %(user_id)s"
_PAGE: Final = f"""
SELECT {_COLUMNS} FROM session
 WHERE user_id = %(user_id)s AND id < %(before)s AND strpos(lower(name), lower(%(search)s)) > 0
 ORDER BY id DESC LIMIT %(limit)s
"""
_ADD: Final = """
WITH session AS (
    INSERT INTO session (id, user_id, name, naming, remembers, temporary, agent, config_version, prunable, created_at, updated_at)
    VALUES (%(id)s, %(user_id)s, %(name)s, %(naming)s, %(remembers)s, %(temporary)s, %(agent)s, %(config_version)s, false, now(), now())
    RETURNING *
), configured AS (
    INSERT INTO session_config (session_id, version, config, created_at)
    SELECT id, config_version, %(config)s, created_at FROM session WHERE config_version > 0
)
SELECT id, name, naming = 'done' AS name_is_final, remembers, temporary, agent, config_version, %(config)s::jsonb AS config,
       created_at, updated_at
  FROM session
"""
_SESSION_OF: Final = f"""
SELECT session.id, session.name, naming = 'done' AS name_is_final, session.remembers, temporary, {_OF_AGENT},
       session.created_at, session.updated_at, {OWNER_COLUMNS}, {PROOF_COLUMNS}
"""
_READ_WITH_OWNER: Final = {
    kind: f'{_SESSION_OF} FROM {behind} JOIN session ON session.user_id = "user".id WHERE session.id = %(session_id)s'
    for kind, behind in BEHIND.items()
}
# From the head of the branch that is shown, or from the run of the message before which to read, as far back as a page can reach.
_TRANSCRIPT: Final = f"""
WITH RECURSIVE branch AS (
    SELECT id, parent_id, model, 1 AS depth FROM run
     WHERE id = coalesce((SELECT run_id FROM message WHERE id = %(before)s AND session_id = %(session_id)s),
                         (SELECT head_run_id FROM session WHERE id = %(session_id)s))
    UNION ALL
    SELECT run.id, run.parent_id, run.model, depth + 1 FROM run JOIN branch ON run.id = branch.parent_id WHERE depth < %(limit)s + 2
), kept AS (
    -- Runs are named in the order of their times. One that has not ended goes by the run before it.
    SELECT coalesce(head.kept_from, parent.kept_from) AS kept_from
      FROM session JOIN run AS head ON head.id = session.head_run_id LEFT JOIN run AS parent ON parent.id = head.parent_id
     WHERE session.id = %(session_id)s
)
SELECT message.id, message.run_id, role, CASE WHEN role = 'assistant' THEN model END AS model, content, reasoning, tool_calls, steps,
       status, created_at, coalesce(message.run_id < (SELECT kept_from FROM kept), false) AS is_compacted,
       {attachments_sql("message.id")} AS attachments
  FROM branch JOIN message ON message.run_id = branch.id
 WHERE %(before)s::uuid IS NULL OR depth > 1 OR message.id < %(before)s ORDER BY depth, message.id DESC LIMIT %(limit)s
"""
_CHANGE: Final = """
UPDATE session SET name = coalesce(%(name)s, name), naming = CASE WHEN %(name)s IS NULL THEN naming ELSE 'done' END,
       remembers = coalesce(%(remembers)s, remembers),
       -- What was said while it was off is not remembered later either.
       remembered_until = CASE WHEN %(remembers)s::boolean AND NOT remembers THEN now() ELSE remembered_until END,
       unremembered_since = CASE WHEN %(remembers)s::boolean AND NOT remembers THEN NULL ELSE unremembered_since END
 WHERE id = %(session_id)s
"""
# The session's row is locked first, so that no two versions have one number.
_CONFIGURE: Final = """
WITH changed AS (
    UPDATE session SET config_version = config_version + 1 WHERE id = %(session_id)s RETURNING id, config_version
)
INSERT INTO session_config (session_id, version, config, created_at) SELECT id, config_version, %(config)s, now() FROM changed
"""
_CONFIGS: Final = "SELECT version, config, created_at FROM session_config WHERE session_id = %(session_id)s ORDER BY version DESC LIMIT 100"
_NAME: Final = "UPDATE session SET name = coalesce(%(name)s, name), naming = 'done' WHERE id = %(session_id)s AND naming = 'asked'"
_FIRST_TURN: Final = """
WITH first AS (
    SELECT run.id, run.user_id, run.message_id, run.cache FROM run JOIN session ON session.id = run.session_id AND naming = 'asked'
     WHERE session.id = %(session_id)s AND run.status = 'completed' ORDER BY run.started_at LIMIT 1
)
SELECT first.user_id, question.content AS question, answer.content AS answer, first.cache
  FROM first JOIN message AS answer ON answer.id = first.message_id JOIN LATERAL (
       -- Not only of this run: one that goes on after a question was asked nothing itself.
       SELECT content FROM message WHERE session_id = %(session_id)s AND role = 'user' AND run_id <= first.id ORDER BY id DESC LIMIT 1
  ) AS question ON true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTurn:
    """What a session can be named by, and whose it is; with `cache` a name that was given before will do."""

    user_id: UUID
    question: str
    answer: str
    cache: bool = False


class SessionTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user_id: UUID, name: str, held: Held | None = None) -> Session:
        held = held or Held()
        values = {
            "id": uuid7(),
            "user_id": user_id,
            "name": name,
            "naming": "done" if name else "open",
            "remembers": held.remembers,
            "temporary": held.temporary,
            "agent": held.agent,
            "config_version": 1 if held.config else 0,
            "config": Jsonb({**held.config}),
        }
        [row] = await fetch_all(self._database.pool, _ADD, values)
        return Session(**row)

    async def read(self, user_id: UUID, session_id: UUID) -> Session | None:
        with database_errors():
            async with self._database.pool.connection() as connection, connection.cursor(row_factory=class_row(Session)) as cursor:
                await cursor.execute(_READ_SESSION, {"session_id": session_id, "user_id": user_id})
                return await cursor.fetchone()

    async def read_with_owner(self, proof: Proof, session_id: UUID) -> tuple[Caller, Session] | None:
        """The same in one query with who asks, as nearly every request needs both; None too where the proof does not hold."""
        rows = await fetch_all(self._database.pool, _READ_WITH_OWNER[type(proof)], {"session_id": session_id, **proof.values})
        if not rows:
            return None
        of_session = {name: value for name, value in rows[0].items() if not name.startswith(("user_", "proof_"))}
        return caller_of(rows[0], "user_"), Session(**of_session)

    async def page(self, user_id: UUID, *, limit: int, before: UUID | None, search: str) -> Sequence[Session]:
        """The user's sessions, newest first, that are older than `before` and whose name contains `search`."""
        values = {"user_id": user_id, "limit": limit, "before": before or AFTER_ALL, "search": search}
        return [Session(**row) for row in await fetch_all(self._database.pool, _PAGE, values)]

    async def rename(self, session_id: UUID, name: str) -> None:
        await self.change(session_id, name=name)

    async def change(self, session_id: UUID, *, name: str | None = None, remembers: bool | None = None) -> None:
        """Change what is not None."""
        await execute(self._database.pool, _CHANGE, {"session_id": session_id, "name": name, "remembers": remembers})

    async def configure(self, session_id: UUID, config: Mapping[str, Any]) -> None:
        """Set what holds from the next run on, as another version."""
        await execute(self._database.pool, _CONFIGURE, {"session_id": session_id, "config": Jsonb({**config})})

    async def configs(self, session_id: UUID) -> Sequence[SessionConfig]:
        """The latest hundred versions, the newest first."""
        return [SessionConfig(**row) for row in await fetch_all(self._database.pool, _CONFIGS, {"session_id": session_id})]

    async def delete(self, session_id: UUID) -> None:
        """Delete the session with its runs, transcript and checkpoints, all or nothing."""
        async with transaction(self._database.pool) as connection:
            await lock_session(connection, session_id)
            await delete_session(connection, session_id)

    async def transcript(self, session_id: UUID, *, limit: int, before: UUID | None) -> Sequence[Message]:
        """The last `limit` messages of the branch that is shown, older than `before`; oldest first."""
        rows = await fetch_all(self._database.pool, _TRANSCRIPT, {"session_id": session_id, "limit": limit, "before": before})
        return [Message(**{**row, "role": Role(row["role"]), "status": RunStatus(row["status"])}) for row in reversed(rows)]

    async def first_turn(self, session_id: UUID) -> FirstTurn | None:
        """The first message and its answer, of a session that waits for a name."""
        rows = await fetch_all(self._database.pool, _FIRST_TURN, {"session_id": session_id})
        return FirstTurn(**rows[0]) if rows else None

    async def name(self, session_id: UUID, name: str | None) -> None:
        """Give a session the name it waits for, or leave it the one it has; nothing happens if its user has named it."""
        await execute(self._database.pool, _NAME, {"session_id": session_id, "name": name})

    async def clear(self, session_id: UUID) -> None:
        """End what is live, and delete the transcript and the checkpoints, all or nothing; the session stays.

        A process that is still answering finds that it no longer holds the run, and writes nothing.
        """
        async with transaction(self._database.pool) as connection:
            await lock_session(connection, session_id)
            await empty_session(connection, session_id)
