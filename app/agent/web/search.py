"""Search the web: at a search of SearXNG's JSON form where there is one, else through ddgs, which asks several search engines."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Final

import aiohttp
from anyio import to_thread
from ddgs import DDGS
from ddgs.exceptions import DDGSException
from pydantic import BaseModel, BeforeValidator, ValidationError

from app.agent.web import Hit, Searcher
from app.internet import WebError
from app.settings import WebSettings

NOTHING_FOUND: Final = "The web search found nothing, or no search engine can be reached."
_TOO_SLOW: Final = "The web search took too long."
_MOST_BYTES: Final = 2_000_000

# Engines leave out what they do not have, or write null.
_Text = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else "")]


class _Result(BaseModel):
    url: _Text = ""
    title: _Text = ""
    content: _Text = ""


class _Results(BaseModel):
    results: list[_Result]


class PublicSearch:
    """ddgs is synchronous, and loads itself at the first search."""

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings

    async def search(self, query: str) -> Sequence[Hit]:
        settings = self._settings
        try:
            async with asyncio.timeout(settings.search_seconds):
                found = await to_thread.run_sync(_ask, query, settings.search_results, settings.search_seconds, abandon_on_cancel=True)
        except TimeoutError as error:
            raise WebError(_TOO_SLOW) from error
        except DDGSException as error:
            raise WebError(NOTHING_FOUND) from error
        return [_hit(one) for one in found[: settings.search_results]]


class OwnSearch:
    """The operator's own search, which may well live at a private address."""

    def __init__(self, session: aiohttp.ClientSession, settings: WebSettings) -> None:
        self._session = session
        self._settings = settings

    async def search(self, query: str) -> Sequence[Hit]:
        settings = self._settings
        try:
            async with asyncio.timeout(settings.search_seconds):
                found = _Results.model_validate_json(await self._asked(query)).results
        except TimeoutError as error:
            raise WebError(_TOO_SLOW) from error
        except (aiohttp.ClientError, OSError, ValidationError) as error:
            raise WebError(NOTHING_FOUND) from error
        hits = [Hit(title=one.title, url=one.url, excerpt=one.content) for one in found if one.url]
        if not hits:
            raise WebError(NOTHING_FOUND)
        return hits[: settings.search_results]

    async def _asked(self, query: str) -> bytes:
        async with self._session.get(self._settings.search_url, params={"q": query, "format": "json"}) as answer:
            if answer.status != HTTPStatus.OK:
                raise WebError(NOTHING_FOUND)
            content = bytearray()
            async for piece in answer.content.iter_chunked(2**16):
                content += piece
                if len(content) > _MOST_BYTES:
                    raise WebError(NOTHING_FOUND)
            return bytes(content)


def searcher_of(settings: WebSettings, session: aiohttp.ClientSession) -> Searcher:
    return OwnSearch(session, settings) if settings.search_url else PublicSearch(settings)


def _ask(query: str, count: int, seconds: float) -> list[dict[str, str]]:
    # A thread cannot be cancelled. Half the time for each engine lets a second one answer, and ends a thread that was given up soon.
    return DDGS(timeout=math.ceil(seconds / 2)).text(query, max_results=count)


def _hit(found: Mapping[str, str]) -> Hit:
    return Hit(title=found.get("title", ""), url=found.get("href", ""), excerpt=found.get("body", ""))
