"""Open what exporting and erasing users takes, on a server's database or without a server, for the commands."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from app.accounts.erasure import Elsewhere, Erasure, delete_old_audit, delete_old_sessions
from app.accounts.exports import Exports
from app.llm.prompt_key import owner_of
from app.observability.langfuse import LangfuseApi, open_langfuse
from app.persistence.address import database_url
from app.persistence.attachment_folder import AttachmentFolder
from app.persistence.attachments import AttachmentTable
from app.persistence.checkpoints import CheckpointTable
from app.persistence.database import Database, Pool, open_database
from app.persistence.erasing import Erasing
from app.persistence.exports import ExportTable
from app.persistence.queue import EVERY_HOUR, EVERY_MINUTE, EVERY_TEN_MINUTES, Chore
from app.persistence.recent_runs import recent_runs
from app.persistence.shared import open_shared_answers
from app.persistence.temporary import TemporarySessions
from app.persistence.user_data import UserData
from app.persistence.users import UserTable
from app.runs.attachments import forget_unsent, sweep_folder
from app.runs.chores import end_temporary_sessions, prune_checkpoints
from app.settings import SECONDS_PER_HOUR, Settings

if TYPE_CHECKING:
    from app.persistence.redis_answers import RedisAnswers


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """What becomes of a user's data; `chores` do what the settings want kept for a time only."""

    users: UserTable
    exports: Exports
    erasure: Erasure
    chores: list[Chore]


@asynccontextmanager
async def open_lifecycle(settings: Settings) -> AsyncGenerator[Lifecycle]:
    """Raise SettingsInvalid or DatabaseUnavailable."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(database_url(settings.database))
        database = await stack.enter_async_context(open_database(url, settings.database))
        yield await stack.enter_async_context(lifecycle_on(database, settings))


@asynccontextmanager
async def lifecycle_on(database: Database, settings: Settings) -> AsyncGenerator[Lifecycle]:
    # Wherever there is a Redis, for a server may have kept answers there.
    async with open_shared_answers(settings.redis, settings.cache.seconds) as answers, open_langfuse(settings.tracing) as langfuse:
        erasing, folder = Erasing(database.pool), AttachmentFolder(database.pool, attachment_folder(settings))
        attachments = attachment_table(database.pool, settings)
        exports = Exports(ExportTable(database.pool), UserData(database.pool), attachments)
        elsewhere = _elsewhere(answers, folder) | (_traces(langfuse, database.pool) if langfuse else {})
        yield Lifecycle(
            users=UserTable(database),
            exports=exports,
            erasure=Erasure(erasing, elsewhere),
            chores=[*_chores(settings, erasing, exports, folder), *_tidying(settings, database, attachments)],
        )


def attachment_table(pool: Pool, settings: Settings) -> AttachmentTable:
    in_folder = settings.attachments.kept_in == "folder"
    return AttachmentTable(pool, attachment_folder(settings), in_folder=in_folder, patience_seconds=settings.runs.lease_seconds)


def attachment_folder(settings: Settings) -> Path:
    return settings.database.data_dir / "attachments"


def _elsewhere(answers: "RedisAnswers | None", folder: AttachmentFolder) -> dict[str, Elsewhere]:
    """The stores outside the database, by their name on a receipt."""

    async def forget_answers(user_id: UUID) -> int:
        assert answers  # noqa: S101  # named below only where there are some
        return await answers.forget(owner_of(str(user_id)))

    # Files when no row tells of them any more: an erasure that fails leaves nobody without what they sent.
    stores = {"attachment_files": Elsewhere(before=folder.prepare, after=folder.erase)}
    if answers:
        stores["redis_answers"] = Elsewhere(before=forget_answers, after=forget_answers)
    return stores


def _traces(langfuse: LangfuseApi, pool: Pool) -> dict[str, Elsewhere]:
    """Those that Langfuse lists, and those of the last runs by name: it lists what it is sent a little later."""
    recent: dict[UUID, Sequence[UUID]] = {}

    async def before(user_id: UUID) -> int:
        recent[user_id] = await recent_runs(pool, user_id)
        return await langfuse.delete_traces(user_id, recent[user_id])

    async def after(user_id: UUID) -> int:
        return await langfuse.delete_traces(user_id, recent.pop(user_id, ()))

    return {"langfuse_traces": Elsewhere(before=before, after=after)}


def _chores(settings: Settings, erasing: Erasing, exports: Exports, folder: AttachmentFolder) -> list[Chore]:
    kept = settings.retention
    work = {
        "delete_old_sessions": partial(delete_old_sessions, erasing, kept.session_days),
        "delete_old_audit": partial(delete_old_audit, erasing, kept.audit_days),
        "forget_exports": partial(exports.forget, kept.export_hours * SECONDS_PER_HOUR),
    }
    sweep = partial(sweep_folder, folder, settings.attachments.unsent_hours * SECONDS_PER_HOUR)
    return [
        *(Chore(name=name, cron=EVERY_TEN_MINUTES, do=do) for name, do in work.items()),
        Chore(name="sweep_attachment_folder", cron=EVERY_HOUR, do=sweep),
    ]


def _tidying(settings: Settings, database: Database, attachments: AttachmentTable) -> list[Chore]:
    prune = partial(prune_checkpoints, CheckpointTable(database.pool), settings.context.checkpoints_kept)
    end = partial(end_temporary_sessions, TemporarySessions(database), settings.runs.temporary_hours * SECONDS_PER_HOUR)
    forget = partial(forget_unsent, attachments, settings.attachments.unsent_hours * SECONDS_PER_HOUR)
    return [
        Chore(name="prune_checkpoints", cron=EVERY_TEN_MINUTES, do=prune),
        Chore(name="end_temporary_sessions", cron=EVERY_MINUTE, do=end),
        Chore(name="forget_attachments", cron=EVERY_TEN_MINUTES, do=forget),
    ]
