"""A look at a server of a test's own settings, and a provider that answers for its models as it is told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from app.doctor.examining import examine
from app.doctor.findings import Finding
from app.settings import load_settings


class Look:
    """What is found by name, once some variables are changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._folder = folder

    async def __call__(self, variables: Mapping[str, str] | None = None, *, seconds: float = 20) -> Mapping[str, Finding]:
        for name, value in (variables or {}).items():
            self._monkeypatch.setenv(name, value)
        return {one.name: one.finding for one in await examine(load_settings(self._folder), seconds)}


@asynccontextmanager
async def provider_that(answers: int | str) -> AsyncIterator[str]:
    """With this status, a list of this one model, or not at all for `hang`; yield its address."""
    gone = asyncio.Event()

    async def models(_: web.Request) -> web.Response:
        if answers == "hang":
            await gone.wait()
        if isinstance(answers, int):
            return web.json_response({"error": {"message": "canary"}}, status=answers)
        return web.json_response({"object": "list", "data": [{"id": answers, "object": "model"}]})

    application = web.Application()
    application.add_routes([web.get("/v1/models", models)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        gone.set()
        await runner.cleanup()
