"""A process that does background work only: queued runs, names of sessions, what has expired, what is old."""

import asyncio

from app.observability.logging import set_up_logging
from app.settings import Settings
from app.stopping import draining
from app.wiring import open_services, working


async def run_worker(settings: Settings) -> None:
    """Work until told to stop; raise what `open_services` raises."""
    set_up_logging(settings.logs)
    stopped = asyncio.Event()
    async with open_services(settings) as services:
        stop = draining(services.runs, settings.server.drain_seconds, lambda _: stopped.set())
        async with stop, working(services, settings.worker):
            await stopped.wait()
