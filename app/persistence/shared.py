"""What servers share through a Redis. Without one they give None, and its client, 5 MB of it, is not imported."""
# ruff: noqa: PLC0415  # the imports are what this is about

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.settings import RedisSettings

if TYPE_CHECKING:
    from app.persistence.redis_answers import RedisAnswers
    from app.persistence.redis_notices import RedisNotices
    from app.persistence.redis_scripts import RedisScripts


@asynccontextmanager
async def open_shared_answers(settings: RedisSettings, seconds: int) -> AsyncGenerator["RedisAnswers | None"]:
    """Raise SettingsInvalid for no address at all."""
    if not settings.url.get_secret_value():
        yield None
        return
    from app.persistence.redis_answers import open_redis_answers

    async with open_redis_answers(settings, seconds) as answers:
        yield answers


@asynccontextmanager
async def open_shared_notices(settings: RedisSettings) -> AsyncGenerator["RedisNotices | None"]:
    """Raise SettingsInvalid for no address at all."""
    if not settings.url.get_secret_value():
        yield None
        return
    from app.persistence.redis_notices import open_redis_notices

    async with open_redis_notices(settings) as notices:
        yield notices


@asynccontextmanager
async def open_shared_scripts(settings: RedisSettings) -> AsyncGenerator["RedisScripts | None"]:
    """Raise SettingsInvalid for no address at all."""
    if not settings.url.get_secret_value():
        yield None
        return
    from app.persistence.redis_scripts import open_redis_scripts

    async with open_redis_scripts(settings) as scripts:
        yield scripts
