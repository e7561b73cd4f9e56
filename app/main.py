"""The web server: routes, errors and middleware around the open parts."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.routing import Route

from app import VERSION
from app.accounts.links import LINK_PATHS
from app.api import health, metrics
from app.api.deps import State
from app.api.documentation import Documented
from app.api.errors import add_error_handlers
from app.api.headers import DOCS_POLICY, PAGE_POLICY, Cors
from app.api.legacy.notice import LegacyNotice
from app.api.legacy.router import router as legacy
from app.api.limits.middleware import AddressLimits
from app.api.limits.proxies import TrustedProxies
from app.api.mcp import endpoint as mcp
from app.api.middleware import BodyLimit, RequestLog
from app.api.v1.attachments import UPLOAD_PATH
from app.api.v1.router import router as v1
from app.observability.logging import set_up_logging
from app.settings import Environment, Settings, load_settings
from app.stopping import draining
from app.watching import open_watched
from app.wiring import Services, working

_WEB: Final = Path(__file__).parent / "web"
# Probes and those who look whether a link is still good ask without wanting the body.
_READS: Final = ["GET", "HEAD"]
# What a page elsewhere may read of an answer's head.
_EXPOSED: Final = [
    *("X-Request-ID", "X-Run-ID", "Retry-After", "RateLimit", "RateLimit-Policy", "Mcp-Session-Id"),
    *("Deprecation", "Sunset", "Link"),
]
_DESCRIPTION: Final = """\
A LangGraph agent server with checkpointed state. Register, open a session, send a message, and read the answer as server-sent events.
Every error is an RFC 9457 problem document; program against its `code`.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application (uvicorn's --factory); nothing is opened before its lifespan begins.

    Raise SettingsInvalid when no settings are given and the environment's cannot be used.
    """
    settings = settings or load_settings()
    set_up_logging(settings.logs)
    app = Documented(
        title="Milepost",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=_lifespan(settings),
        docs_url=None,
        redoc_url=None,
    )
    add_error_handlers(app)
    _add_middleware(app, settings)
    app.include_router(v1)
    if settings.server.legacy_paths:
        app.include_router(legacy)
    app.include_router(health.router)
    app.include_router(metrics.router)
    if settings.mcp.serves:
        app.router.routes.append(Route(mcp.PATH, mcp.McpEndpoint(settings.server), include_in_schema=False))
    app.mount("/static", StaticFiles(directory=_WEB), name="static")
    app.add_api_route("/", _page, methods=_READS, include_in_schema=False)
    for path in LINK_PATHS:
        app.add_api_route(path, _link_page, methods=_READS, include_in_schema=False)
    app.add_api_route("/docs", _docs, methods=_READS, include_in_schema=False)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """From the inside out."""
    server, larger = settings.server, {UPLOAD_PATH: settings.attachments.max_bytes}
    app.add_middleware(BodyLimit, limit_bytes=server.body_limit_bytes, seconds=server.body_seconds, larger=larger)
    app.add_middleware(AddressLimits, routes=app.routes, settings=settings.limits)
    app.add_middleware(RequestLog, https_only=_https_only(settings))
    if server.legacy_paths:
        app.add_middleware(LegacyNotice)
    app.add_middleware(
        Cors,
        allow_origins=settings.server.allowed_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )
    if settings.limits.trusted_proxies:
        app.add_middleware(TrustedProxies, networks=settings.limits.trusted_proxies, header=settings.limits.proxy_header)


def _https_only(settings: Settings) -> frozenset[str]:
    """The schemes of requests whose answers tell browsers to come over TLS from now on; over plain HTTP they do not listen."""
    if settings.server.is_public_over_tls:  # a proxy speaks TLS in front of us, and need not say so
        return frozenset({"http", "https"})
    return frozenset({"https"}) if settings.environment in {Environment.PRODUCTION, Environment.STAGING} else frozenset()


def _lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
        watched = open_watched(settings, "server")
        async with _ending_with_the_reloader(), watched as (services, exposition), _at_work(services, settings):
            yield State(
                users=services.accounts.users,
                logins=services.accounts.logins,
                recovery=services.accounts.recovery,
                presence=services.accounts.presence,
                administration=services.access.administration,
                access=services.access,
                catalog=services.catalog,
                sessions=services.sessions,
                attachments=services.attachments,
                runs=services.runs,
                questions=services.questions,
                past=services.past,
                ledger=services.ledger,
                feedback=services.feedback,
                exports=services.lifecycle.exports,
                erasure=services.lifecycle.erasure,
                memories=services.memories,
                webhooks=services.webhooks,
                tails=services.tails,
                models=services.models,
                health=_health(services, settings),
                metrics=exposition,
                retention=settings.retention,
                server=settings.server,
                rates=services.limits.rates,
                quotas=services.limits.quotas,
            )

    return lifespan


def _health(services: Services, settings: Settings) -> health.Health:
    return health.Health(
        schema=services.watched.schema,
        notices=services.notices,
        runs=services.runs,
        patience_seconds=settings.database.connect_seconds,
        environment=settings.environment,
        version=VERSION,
        demo=services.models.choice.is_demo,
    )


@asynccontextmanager
async def _at_work(services: Services, settings: Settings) -> AsyncGenerator[None]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            draining(services.runs, settings.server.drain_seconds, notice_seconds=settings.server.stop_notice_seconds)
        )
        if settings.worker.in_server:
            await stack.enter_async_context(working(services, settings))
        yield


@asynccontextmanager
async def _ending_with_the_reloader() -> AsyncGenerator[None]:
    """Stop when the process that reloads us is killed: it could not tell us, and the port and the database would stay taken."""
    if (parent := multiprocessing.parent_process()) is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(parent.sentinel)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(parent.sentinel, stop)
    try:
        yield
    finally:
        loop.remove_reader(parent.sentinel)


async def _page() -> FileResponse:
    return FileResponse(_WEB / "index.html", headers={"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"})


async def _link_page() -> FileResponse:
    return FileResponse(_WEB / "link.html", headers={"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"})


async def _docs() -> FileResponse:
    """Swagger's page from our own files: FastAPI's would fetch them from elsewhere, and has a script in it."""
    return FileResponse(_WEB / "docs.html", headers={"Content-Security-Policy": DOCS_POLICY, "Cache-Control": "no-cache"})
