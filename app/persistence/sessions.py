"""Sessions and their transcripts; every query filters by the user in SQL."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from psycopg.rows import class_row
from sqlalchemy import ColumnElement, and_, func
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.persistence.database import Database, database_errors
from app.persistence.tables import LIVE_SQL, MessageRow, RunRow, SessionRow
from app.persistence.values import Message, Role, RunStatus, Session

_READ_SESSION: Final = "SELECT id, name, created_at, updated_at FROM session WHERE id = %(session_id)s AND user_id = %(user_id)s"
_CHECKPOINT_TABLES: Final = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


class SessionTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user_id: UUID, name: str) -> Session:
        row = SessionRow(user_id=user_id, name=name)
        with database_errors():
            async with self._database.query.begin() as query:
                query.add(row)
        return _session(row)

    async def read(self, user_id: UUID, session_id: UUID) -> Session | None:
        with database_errors():
            async with self._database.pool.connection() as connection, connection.cursor(row_factory=class_row(Session)) as cursor:
                await cursor.execute(_READ_SESSION, {"session_id": session_id, "user_id": user_id})
                return await cursor.fetchone()

    async def page(self, user_id: UUID, *, limit: int, before: UUID | None, search: str) -> Sequence[Session]:
        """The user's sessions, newest first, that are older than `before` and whose name contains `search`."""
        statement = select(SessionRow).where(SessionRow.user_id == user_id).order_by(col(SessionRow.id).desc()).limit(limit)
        if before:
            statement = statement.where(SessionRow.id < before)
        if search:
            statement = statement.where(col(SessionRow.name).icontains(search, autoescape=True))
        with database_errors():
            async with self._database.query() as query:
                return [_session(row) for row in await query.exec(statement)]

    async def rename(self, session_id: UUID, name: str) -> None:
        with database_errors():
            async with self._database.query.begin() as query:
                await query.exec(update(SessionRow).where(col(SessionRow.id) == session_id).values(name=name))

    async def delete(self, session_id: UUID) -> None:
        """Delete the session with its runs, transcript and checkpoints, all or nothing."""
        with database_errors():
            async with self._database.query.begin() as query:
                await _delete_checkpoints(query, session_id)
                await query.exec(delete(SessionRow).where(col(SessionRow.id) == session_id))

    async def transcript(self, session_id: UUID, *, limit: int, before: UUID | None) -> Sequence[Message]:
        """The last `limit` messages older than `before`, oldest first."""
        statement = select(MessageRow).where(MessageRow.session_id == session_id).order_by(col(MessageRow.id).desc()).limit(limit)
        if before:
            statement = statement.where(MessageRow.id < before)
        with database_errors():
            async with self._database.query() as query:
                return [_message(row) for row in await query.exec(statement)][::-1]

    async def clear(self, session_id: UUID) -> None:
        """End what is live, and delete the transcript and the checkpoints, all or nothing; the session stays.

        A process that is still answering finds that it no longer holds the run, and writes nothing.
        """
        with database_errors():
            async with self._database.query.begin() as query:
                await query.exec(update(RunRow).where(_is_live(session_id)).values(status=RunStatus.CANCELLED, finished_at=func.now()))
                await _delete_checkpoints(query, session_id)
                await query.exec(delete(MessageRow).where(col(MessageRow.session_id) == session_id))


def _is_live(session_id: UUID) -> ColumnElement[bool]:
    return and_(col(RunRow.session_id) == session_id, sa.text(LIVE_SQL))


async def _delete_checkpoints(query: AsyncSession, session_id: UUID) -> None:
    for table in _CHECKPOINT_TABLES:
        rows = sa.table(table, sa.column("thread_id"))
        await query.exec(sa.delete(rows).where(rows.c.thread_id == str(session_id)))


def _session(row: SessionRow) -> Session:
    return Session(id=row.id, name=row.name, created_at=row.created_at, updated_at=row.updated_at)


def _message(row: MessageRow) -> Message:
    return Message(
        id=row.id,
        run_id=row.run_id,
        role=Role(row.role),
        content=row.content,
        reasoning=row.reasoning,
        tool_calls=row.tool_calls,
        status=RunStatus(row.status),
        created_at=row.created_at,
    )
