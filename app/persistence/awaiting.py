"""What a server does once, at its start: where the schema for it is not there yet, as soon as it is."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from app.errors import AppError, DatabaseUnavailable
from app.persistence.database import is_of_schema

_LOOK_SECONDS: Final = 1

log = structlog.get_logger()


@asynccontextmanager
async def once_there_is_a_schema(do: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Do it before this is entered, or later where the schema is older; until then /health/ready says 503, and how it falls short."""
    if await _is_done(do):
        yield
        return
    log.warning("schema_awaited")
    waiting = asyncio.create_task(_do_later(do), name="awaiting-schema")
    try:
        yield
    finally:
        waiting.cancel()
        await asyncio.wait([waiting])


async def _do_later(do: Callable[[], Awaitable[None]]) -> None:
    """There is nobody to raise to any more."""
    is_done = False
    while not is_done:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            is_done = await _is_done(do)
        except DatabaseUnavailable:
            continue
        except AppError as error:
            log.error("start_unfinished", error=error.code)  # noqa: TRY400  # its words need no frames
            return


async def _is_done(do: Callable[[], Awaitable[None]]) -> bool:
    try:
        await do()
    except DatabaseUnavailable as error:
        if not is_of_schema(error):
            raise
        return False
    return True
