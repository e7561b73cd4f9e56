"""The graph in this process, through the same runs, tools and prompts as a server's, on a database of its own."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID

import orjson
from pydantic import SecretStr

from app.errors import AppError, EmailTaken, UnknownAgent, UnknownModel
from app.persistence.accounts import User
from app.persistence.configured import Held
from app.persistence.users import UserTable
from app.persistence.values import Session
from app.runs.asking import Ask
from app.settings import ROOT, Settings
from app.wiring import Services, open_services
from evals.answers import Turn
from evals.errors import Misused
from evals.targets.hearing import Hearing
from evals.targets.talking import NotAnswered

FOLDER: Final = "evals"
_EMAIL: Final = "evals@milepost.example"
_NO_PASSWORD: Final = "!"  # noqa: S105  # no hash of any: nobody logs in as this user
_SILENCE_SECONDS: Final = 5


def settings_apart(settings: Settings) -> Settings:
    """The same agent and models, with nothing that belongs to a server's users: no database, Redis, mail, memory or tiers of theirs."""
    folder = settings.database.data_dir / FOLDER
    return replace(
        settings,
        database=settings.database.model_copy(update={"url": "", "data_dir": folder, "migrate_on_start": True}),
        redis=settings.redis.model_copy(update={"url": SecretStr("")}),
        mail=settings.mail.model_copy(update={"smtp_url": SecretStr("")}),
        memory=settings.memory.model_copy(update={"is_on": False}),
        limits=settings.limits.model_copy(update={"tiers_file": Path(ROOT, "tiers.development.yaml")}),
    )


class Graph:
    """A Target."""

    def __init__(self, services: Services, user: User, *, model: str | None, agent: str, keeps_sessions: bool) -> None:
        self._services = services
        self._user = user
        self._model = model
        self._agent = agent
        self._keeps_sessions = keeps_sessions

    @property
    def about(self) -> Mapping[str, str]:
        return {"kind": "graph", "model": self._services.models.get(self._model).spec.name, "agent": self._agent}

    @asynccontextmanager
    async def conversation(self) -> AsyncGenerator["GraphConversation"]:
        held = Held(remembers=False, temporary=not self._keeps_sessions, agent=self._agent)
        try:
            session = await self._services.sessions.create(self._user.id, "", held)
        except AppError as error:
            raise NotAnswered(error.code, error.detail) from error
        try:
            yield GraphConversation(self._services, self._user, session, self._model)
        finally:
            if not self._keeps_sessions:
                with suppress(AppError):
                    await self._services.sessions.delete(session.id)


class GraphConversation:
    def __init__(self, services: Services, user: User, session: Session, model: str | None) -> None:
        self._services = services
        self._user = user
        self._session = session
        self._model = model
        self._hearing: Hearing | None = None

    @property
    def begun(self) -> Turn | None:
        return self._hearing.turn() if self._hearing else None

    async def ask(self, text: str) -> Turn:
        self._hearing = hearing = Hearing(text)
        try:
            run_id = await self._services.runs.start(
                Ask(user=self._user, session_id=self._session.id, text=text, model=self._model, agent=self._session.agent)
            )
            await self._hear(run_id, hearing)
        except AppError as error:
            raise NotAnswered(error.code, error.detail, hearing.turn()) from error
        turn = hearing.whole_turn()
        self._hearing = None
        return turn

    async def _hear(self, run_id: UUID, hearing: Hearing) -> None:
        async for entries in self._services.tails.read(run_id, silence_seconds=_SILENCE_SECONDS):
            for entry in entries:
                hearing.hear(entry.type, orjson.loads(entry.payload))


@asynccontextmanager
async def open_graph(settings: Settings, *, model: str, agent: str, keeps_sessions: bool = False) -> AsyncGenerator[Graph]:
    """Raise Misused for a model or an agent that is not there, and what `open_services` raises."""
    async with open_services(settings_apart(settings)) as services:
        agent = agent or services.catalog.default
        try:
            services.models.get(model or None)
            services.catalog.checked(agent, {})
        except (UnknownModel, UnknownAgent) as error:
            raise Misused(error.detail) from error
        user = await _user(services.lifecycle.users)
        yield Graph(services, user, model=model or None, agent=agent, keeps_sessions=keeps_sessions)


async def _user(users: UserTable) -> User:
    """Whose sessions they are: one for all experiments here, of which several may begin at once."""
    if found := await users.find(_EMAIL):
        return found[0]
    try:
        return await users.add(_EMAIL, _NO_PASSWORD)
    except EmailTaken:
        return await _user(users)
