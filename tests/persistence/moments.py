"""Waiting for what must come, and for the moment in which a statement waits for another's lock."""

import asyncio
from collections.abc import Awaitable

import psycopg

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def once[T](wanted: Awaitable[T]) -> T:
    return await asyncio.wait_for(wanted, 20)


async def until_waiting(url: str, count: int) -> None:
    """Return when so many statements wait for a lock at the same time."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            if await (await connection.execute(_WAITING)).fetchone() == (count,):
                return
            await asyncio.sleep(0.01)
