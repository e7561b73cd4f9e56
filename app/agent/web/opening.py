"""Open the web for agents."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
from aiohttp.abc import AbstractResolver

from app.agent.web import Hit, Page, Searcher
from app.agent.web.fetching import Fetcher, open_fetcher
from app.agent.web.reading import Reader
from app.agent.web.search import searcher_of
from app.llm.characters import whole
from app.settings import WebSettings


class OpenWeb:
    def __init__(self, searcher: Searcher, fetcher: Fetcher, reader: Reader) -> None:
        self._searcher = searcher
        self._fetcher = fetcher
        self._reader = reader

    async def search(self, query: str) -> Sequence[Hit]:
        return [_readable(hit) for hit in await self._searcher.search(query)]

    async def read(self, url: str) -> Page:
        page = await self._reader.read(await self._fetcher.fetch(url))
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
        yield OpenWeb(searcher_of(settings, session), fetcher, Reader(settings.page_characters))
