"""What processes tell each other through Postgres: the names of its notification channels, and an ear for them."""

import asyncio
from collections.abc import Callable
from typing import Final

import psycopg
import structlog

# A run has new events; somebody wants a run stopped; there is a run to begin or to go on with; a user was erased.
EVENTS: Final = "milepost_events"
STOPS: Final = "milepost_stops"
WORK: Final = "milepost_work"
ERASED: Final = "milepost_erased"

_RETRY_SECONDS: Final = 1

log = structlog.get_logger()


class Ear:
    """Hears notices on a connection of its own, and opens another when that one breaks."""

    def __init__(self, url: str, heard: Callable[[str, str], None], deaf: Callable[[], None]) -> None:
        """Call `heard(channel, payload)` for each notice, and `deaf()` when some may have been missed."""
        self._url = url
        self._heard = heard
        self._deaf = deaf

    async def listen(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen_once()
            except psycopg.Error as error:
                log.warning("listener_lost", error=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen_once(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            for channel in (EVENTS, STOPS, WORK, ERASED):
                await connection.execute(f"LISTEN {channel}")
            self._deaf()
            async for notice in connection.notifies():
                try:
                    self._heard(notice.channel, notice.payload)
                except ValueError:
                    log.warning("notice_not_understood", channel=notice.channel)
