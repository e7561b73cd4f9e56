"""Sessions: the conversations of a user, and what has been said in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from app.errors import BranchNotFound, InvalidInput, SessionNotFound
from app.persistence.accounts import Credential
from app.persistence.configured import Held, SessionConfig
from app.persistence.turn_values import Branch
from app.persistence.values import Message, Session, User
from app.runs.catalog import Catalog
from app.runs.service import Runs
from app.runs.turns import busy


class SessionStore(Protocol):
    async def add(self, user_id: UUID, name: str, held: Held) -> Session: ...
    async def configure(self, session_id: UUID, config: Mapping[str, Any]) -> None: ...
    async def configs(self, session_id: UUID) -> Sequence[SessionConfig]: ...
    async def read(self, user_id: UUID, session_id: UUID) -> Session | None: ...
    async def read_with_owner(self, credential: Credential, session_id: UUID) -> tuple[User, Session] | None: ...
    async def page(self, user_id: UUID, *, limit: int, before: UUID | None, search: str) -> Sequence[Session]: ...
    async def change(self, session_id: UUID, *, name: str | None, remembers: bool | None) -> None: ...
    async def delete(self, session_id: UUID) -> None: ...
    async def transcript(self, session_id: UUID, *, limit: int, before: UUID | None) -> Sequence[Message]: ...
    async def clear(self, session_id: UUID) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page[Item: (Session, Message)]:
    """Some of a list; `next` is where the following page starts, None on the last."""

    items: Sequence[Item]
    next: UUID | None


class BranchStore(Protocol):
    async def branches(self, session_id: UUID) -> Sequence[Branch]: ...
    async def show(self, session_id: UUID, run_id: UUID) -> bool: ...


class Sessions:
    def __init__(self, store: SessionStore, branches: BranchStore, runs: Runs, catalog: Catalog, *, temporary_hours: float) -> None:
        self._store = store
        self._catalog = catalog
        self._branches = branches
        self._runs = runs
        self._temporary_time = timedelta(hours=temporary_hours)

    async def create(self, user_id: UUID, name: str, held: Held) -> Session:
        """Open one; a temporary one is never remembered. Raise UnknownAgent, UnknownModel, or InvalidInput about its configuration."""
        config = self._catalog.checked(held.agent, held.config)
        return await self._store.add(user_id, name, replace(held, config=config, remembers=held.remembers and not held.temporary))

    def ends_at(self, session: Session) -> datetime | None:
        """When a temporary session is deleted, unless something is said in it before; None for any other."""
        return session.updated_at + self._temporary_time if session.temporary else None

    async def read(self, user_id: UUID, session_id: UUID) -> Session:
        """Raise SessionNotFound, for a session of somebody else's too."""
        if session := await self._store.read(user_id, session_id):
            return session
        raise SessionNotFound

    async def find_with_owner(self, credential: Credential, session_id: UUID) -> tuple[User, Session] | None:
        """The session and its user, if it is that user's and the credential still holds."""
        return await self._store.read_with_owner(credential, session_id)

    async def page(self, user_id: UUID, *, limit: int, before: UUID | None, search: str) -> Page[Session]:
        """Newest first; one more than the page is read, to know whether another follows."""
        found = await self._store.page(user_id, limit=limit + 1, before=before, search=search)
        items = found[:limit]
        return Page(items=items, next=items[-1].id if len(found) > limit else None)

    async def change(self, session: Session, *, name: str | None, remembers: bool | None, config: Mapping[str, Any] | None) -> None:
        """Change what is not None; another `config` is another version, from the next message on.

        Raise InvalidInput, also when a temporary session is to be remembered, UnknownAgent or UnknownModel.
        """
        if session.temporary and remembers:
            raise InvalidInput("A temporary session is never remembered.")
        checked = session.config if config is None else self._catalog.checked(session.agent, config)
        if checked != session.config:
            await self._store.configure(session.id, checked)
        if name is not None or remembers is not None:
            await self._store.change(session.id, name=name, remembers=remembers)

    async def configs(self, session_id: UUID) -> Sequence[SessionConfig]:
        """What was set of its agent, the newest first; a run tells which version it used."""
        return await self._store.configs(session_id)

    async def delete(self, session_id: UUID) -> None:
        """Stop what it is answering, and delete all there is of it."""
        await self._runs.stop_session(session_id)
        await self._store.delete(session_id)

    async def transcript(self, session_id: UUID, *, limit: int, before: UUID | None) -> Page[Message]:
        """The latest messages, oldest first; the next page is the older one."""
        found = await self._store.transcript(session_id, limit=limit + 1, before=before)
        items = found[-limit:]
        return Page(items=items, next=items[0].id if len(found) > limit else None)

    async def clear(self, session_id: UUID) -> None:
        """Stop what it is answering, and forget all that was said."""
        await self._runs.stop_session(session_id)
        await self._store.clear(session_id)

    async def branches(self, session_id: UUID) -> Sequence[Branch]:
        """The turns that were said again, and those they took the place of; the oldest first."""
        return await self._branches.branches(session_id)

    async def show_branch(self, session_id: UUID, run_id: UUID) -> None:
        """Go on from the branch that goes through this run; raise BranchNotFound, or SessionBusy with `active_run_id`."""
        if not await self._branches.show(session_id, run_id):
            active = await self._runs.live_run(session_id)
            raise busy(active) if active else BranchNotFound
