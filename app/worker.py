"""A process that does background work only: queued runs, names of sessions, what has expired, what is old."""

import asyncio

from app.observability.exporter import exporting
from app.observability.logging import set_up_logging
from app.settings import Settings
from app.stopping import draining
from app.watching import open_watched
from app.wiring import working


async def run_worker(settings: Settings) -> None:
    """Work until told to stop; raise what `open_services` raises, and SettingsInvalid for METRICS_PORT."""
    set_up_logging(settings.logs)
    stopped = asyncio.Event()
    async with open_watched(settings, "worker") as (services, exposition), exporting(exposition, settings.metrics):
        stop = draining(services.runs, settings.server.drain_seconds, lambda _: stopped.set())
        async with stop, working(services, settings):
            await stopped.wait()
