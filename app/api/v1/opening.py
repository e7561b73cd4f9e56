"""A session that is opened for what is said in it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from app.errors import AppError
from app.persistence.configured import Held
from app.persistence.values import Session
from app.runs.sessions import Sessions


@asynccontextmanager
async def opened(sessions: Sessions, user_id: UUID, held: Held) -> AsyncGenerator[Session]:
    """A session that was opened in vain is gone again; raise what `Sessions.create` does."""
    session = await sessions.create(user_id, "", held)
    try:
        yield session
    except AppError:
        await sessions.delete(session.id)
        raise
