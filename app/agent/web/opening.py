"""Open the web for agents."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from anyio import CapacityLimiter, to_thread

from app.agent.web import Hit, Page, Searcher, WebError
from app.agent.web.fetching import Fetcher, open_fetcher
from app.agent.web.reading import page_of
from app.agent.web.search import searcher_of
from app.llm.characters import whole
from app.settings import WebSettings

_READ_AT_ONCE: Final = 2
_READING_SECONDS: Final = 5


class OpenWeb:
    def __init__(self, searcher: Searcher, fetcher: Fetcher, settings: WebSettings) -> None:
        self._searcher = searcher
        self._fetcher = fetcher
        self._settings = settings
        self._reading = CapacityLimiter(_READ_AT_ONCE)

    async def search(self, query: str) -> Sequence[Hit]:
        return [_readable(hit) for hit in await self._searcher.search(query)]

    async def read(self, url: str) -> Page:
        fetched = await self._fetcher.fetch(url)
        try:
            async with asyncio.timeout(_READING_SECONDS):
                page = await to_thread.run_sync(
                    page_of, fetched, self._settings.page_characters, abandon_on_cancel=True, limiter=self._reading
                )
        except TimeoutError as error:
            raise WebError("The page took too long to read.") from error
        if not page.text:
            raise WebError("The page has no text.")
        return replace(page, title=whole(page.title), text=whole(page.text))


def _readable(hit: Hit) -> Hit:
    return Hit(title=whole(hit.title), url=whole(hit.url), excerpt=whole(hit.excerpt))


@asynccontextmanager
async def open_web(settings: WebSettings, resolver: AbstractResolver | None = None) -> AsyncGenerator[OpenWeb]:
    """`resolver` takes the place of the system's."""
    async with (
        open_fetcher(settings, resolver) as fetcher,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
    ):
        yield OpenWeb(searcher_of(settings, session), fetcher, settings)
