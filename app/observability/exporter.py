"""A port of its own for the metrics of a process that serves nothing else, where a probe can ask whether it lives."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from app.errors import AppError, NotAuthenticated, NotFound, SettingsInvalid
from app.observability.exposition import Exposition
from app.settings import MetricsSettings

if TYPE_CHECKING:
    from aiohttp import web

# As a server has it.
LIVE: Final = "/health/live"
_STATUSES: Final = {NotFound: 404, NotAuthenticated: 401}
_STOP_SECONDS: Final = 1


@asynccontextmanager
async def exporting(exposition: Exposition, settings: MetricsSettings) -> AsyncGenerator[None]:
    """Raise SettingsInvalid where the port cannot be had."""
    if not (settings.port and settings.are_on):
        yield
        return
    from aiohttp import web  # noqa: PLC0415  # a server's half, which a process without the port does without

    application = web.Application()
    application.router.add_get("/metrics", lambda request: _answer(exposition, request))
    application.router.add_get(LIVE, _live)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    try:
        await _listen(web.TCPSite(runner, settings.host, settings.port), settings)
        yield
    finally:
        await runner.cleanup()


async def _listen(site: "web.TCPSite", settings: MetricsSettings) -> None:
    try:
        await site.start()
    except OSError as error:
        words = f"METRICS_PORT: {settings.host}:{settings.port} cannot be listened at ({error.strerror or type(error).__name__})."
        raise SettingsInvalid(words) from error


async def _live(_request: "web.Request") -> "web.Response":
    """Whoever gets this knows that the event loop goes round."""
    from aiohttp import web  # noqa: PLC0415

    return web.json_response({"status": "ok"})


async def _answer(exposition: Exposition, request: "web.Request") -> "web.Response":
    from aiohttp import web  # noqa: PLC0415

    try:
        body, headers = await exposition.scrape(request.headers)
    except AppError as error:
        more = {"WWW-Authenticate": "Bearer"} if isinstance(error, NotAuthenticated) else {}
        return web.Response(status=_STATUSES[type(error)], text=f"{error.detail}\n", headers=more)
    return web.Response(body=body, headers=headers)
