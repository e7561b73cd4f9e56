"""The database, and what must be in it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Final

from app.accounts.signing import LEEWAY_SECONDS
from app.doctor.findings import Check, Checked, Finding, checked, failed, not_checked, ok, skipped, warning
from app.llm.embedding import choose_embedder, other_embedder
from app.persistence.address import refuse_pool
from app.persistence.database import Pool, open_database
from app.persistence.embedded import embedded_postgres, is_at_work, is_made
from app.persistence.examining import Examination, connections_of_process, reach
from app.persistence.health import DatabaseHealth
from app.settings import DatabaseSettings, Settings

NAMES: Final = ("database", "connections", "pgvector", "migrations", "memories", "clock")
_ADVICE: Final = "See docs/runbooks/database-down.md."
_MIGRATE: Final = "Run `python -m app migrate up`, before the servers."
_FULL: Final = 0.9
_MILLISECONDS: Final = 1_000


async def check_database(settings: Settings, seconds: float) -> Sequence[Checked]:
    """Whether it can be reached, and then all the rest at once."""
    opening = _Opening(settings.database, seconds)
    async with opening.stack:
        if not settings.database.url and not is_made(settings.database.data_dir):
            return _none_yet(settings)
        first = await checked(NAMES[0], opening.open, seconds, advice=_ADVICE)
        if opening.pool is None:
            return [first, *(not_checked(name, "The database could not be asked.") for name in NAMES[1:])]
        rest = _checks(settings, opening.pool)
        return [first, *await asyncio.gather(*(checked(name, check, seconds, advice=_ADVICE) for name, check in rest.items()))]


def _none_yet(settings: Settings) -> Sequence[Checked]:
    found = f"DATABASE_URL is not set, and there is no embedded Postgres in {settings.database.data_dir} yet."
    advice = "The first start makes one; for any other database set DATABASE_URL."
    first = Checked(name=NAMES[0], finding=warning(found, advice), seconds=0)
    return [first, *(not_checked(name, "There is no database yet.") for name in NAMES[1:])]


class _Opening:
    """A pool that is closed with `stack`, if the database lets us have one."""

    def __init__(self, settings: DatabaseSettings, seconds: float) -> None:
        self.stack = AsyncExitStack()
        self.pool: Pool | None = None
        self._settings = settings.model_copy(update={"connect_seconds": seconds, "statement_seconds": seconds})
        self._seconds = seconds

    async def open(self) -> Finding:
        where, url = await self._address()
        for address, name in {self._settings.direct(url): "DATABASE_DIRECT_URL", url: "DATABASE_URL"}.items():
            await reach(address, self._seconds, name)
        await asyncio.to_thread(refuse_pool, self._settings)
        database = await self.stack.enter_async_context(open_database(url, self._settings))
        version, latency = await Examination(database.pool).version()
        self.pool = database.pool
        return ok(f"Postgres {version}, {where}, answers in {latency * _MILLISECONDS:.1f} ms")

    async def _address(self) -> tuple[str, str]:
        """Not by `database_url`, which would make a database that is not there."""
        if self._settings.url:
            return "by way of a pooler" if self._settings.is_pooled else "at DATABASE_URL", self._settings.url
        folder, embedded = self._settings.data_dir, ExitStack()
        where = "embedded, of a server at work" if is_at_work(folder) else "embedded, started for this look"
        self.stack.callback(embedded.close)
        opening = embedded_postgres(folder, patience_seconds=self._seconds)
        return where, await asyncio.to_thread(embedded.enter_context, opening)


def _checks(settings: Settings, pool: Pool) -> Mapping[str, Check]:
    look = Examination(pool)
    return {
        "connections": partial(_connections, look, settings.database),
        "pgvector": partial(_pgvector, look),
        "migrations": partial(_migrations, pool),
        "memories": partial(_memories, look, settings),
        "clock": partial(_clock, look),
    }


async def _connections(look: Examination, settings: DatabaseSettings) -> Finding:
    room, each = await look.room(), connections_of_process(settings)
    found = f"{room.used} of {room.most} in use"
    if not settings.is_pooled:
        found += f"; a server or worker opens {each} at the most, so there is room for {room.most // each}"
    if not settings.is_pooled and each > room.most:
        return failed(found, "Lower DATABASE_POOL_SIZE, or raise max_connections of Postgres.")
    if room.used > _FULL * room.most:
        return warning(found, "Find out who holds them (pg_stat_activity), or raise max_connections of Postgres.")
    return ok(found)


async def _pgvector(look: Examination) -> Finding:
    extension = await look.pgvector()
    if extension.installed:
        return ok(f"pgvector {extension.installed}")
    if extension.available:
        found = f"pgvector {extension.available} is on the database's machine, and not in this database"
        return failed(found, "`python -m app migrate up` creates it, if our user may; else have a superuser run CREATE EXTENSION vector.")
    return failed("pgvector is not on the database's machine", "Install it there, or take an image that has it, such as pgvector/pgvector.")


async def _migrations(pool: Pool) -> Finding:
    health = await asyncio.to_thread(DatabaseHealth, pool)  # which reads all migrations
    if drift := await health.drift():
        return failed(drift, _MIGRATE)
    if (found := await health.revision()) != health.needed:
        words = f"The schema is at {found}, which this version does not know; its own newest is {health.needed}."
        return warning(words, "Right while a deploy is under way; else bring this server to the version that made it.")
    return ok(f"at {found}, the newest")


async def _memories(look: Examination, settings: Settings) -> Finding:
    if not settings.memory.is_on:
        return skipped("MEMORY_ENABLED is false")
    name, in_use = choose_embedder(settings.memory, settings.models).name, await look.embedder()
    if in_use and in_use != name:
        return failed(other_embedder(name, in_use).detail, "Set EMBEDDING_MODEL back, or give all memories new vectors.")
    return ok(f"vectors are of {in_use}, as the settings have it" if in_use else "nothing is remembered yet")


async def _clock(look: Examination) -> Finding:
    ahead = await look.seconds_ahead()
    found = (
        f"{abs(ahead):.2f} s {'behind' if ahead > 0 else 'ahead of'} the database's clock; tokens bear {LEEWAY_SECONDS} s between servers"
    )
    if abs(ahead) > LEEWAY_SECONDS:
        return failed(found, "Have NTP (chrony, systemd-timesyncd) set the clocks of both machines.")
    return warning(found, "Have NTP set the clocks of both machines.") if abs(ahead) > LEEWAY_SECONDS / 2 else ok(found)
