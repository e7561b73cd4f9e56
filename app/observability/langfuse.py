"""Langfuse's API, by its own client: scores, prompts, and the end of a user's traces.

The client is imported in a thread when it is first needed: it takes most of a CPU second.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote
from uuid import UUID

import httpx
import structlog

from app.errors import TracesUnavailable
from app.settings import TracingSettings

if TYPE_CHECKING:
    from langfuse.api import AsyncLangfuseAPI
    from langfuse.api.core.request_options import RequestOptions

_CALL_SECONDS: Final = 10
_REFUSALS: Final = (401, 403)
_AT_ONCE: Final = 500
_MOST_PAGES: Final = 10_000
USER_FEEDBACK: Final = "user_feedback"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPrompt:
    text: str
    name: str
    version: int


class LangfuseApi:
    """Every call takes ten seconds at the most, is tried once, and raises TracesUnavailable."""

    def __init__(self, http: httpx.AsyncClient, settings: TracingSettings) -> None:
        self._http = http
        self._settings = settings
        self._opening = asyncio.Lock()
        self._client: AsyncLangfuseAPI | None = None

    async def score(
        self, score_id: UUID, run_id: UUID, value: float, comment: str, given_at: datetime, *, name: str = USER_FEEDBACK
    ) -> None:
        """Give a run's trace its score; the same `score_id` and `given_at` take the place of what was said before."""
        client = await self._opened()
        from langfuse.api.scores import CreateScoreRequest  # noqa: PLC0415  # it is imported by now

        request = CreateScoreRequest(
            id=str(score_id), trace_id=run_id.hex, name=name, value=float(value), comment=comment or None, timestamp=given_at
        )
        answer = await _translated(client.scores.create(request=[request], request_options=_once()))
        if getattr(answer, "rejected", 0):
            raise TracesUnavailable

    async def delete_traces(self, user_id: UUID, run_ids: Sequence[UUID]) -> int:
        """Have all traces of a user deleted, and those of these runs, which Langfuse may not list yet; return how many."""
        client = await self._opened()
        found = {run_id.hex for run_id in run_ids} | await self._traces_of(client, user_id)
        traces = sorted(found)
        for begin in range(0, len(traces), _AT_ONCE):
            await _translated(client.trace.delete_multiple(trace_ids=traces[begin : begin + _AT_ONCE], request_options=_once()))
        return len(traces)

    async def reach(self) -> str:
        """Its version, once it has answered and taken our keys."""
        client = await self._opened()
        version = (await _translated(client.health.health(request_options=_once()))).version
        await _translated(client.projects.get(request_options=_once()))
        return str(version)

    async def prompt(self, name: str, label: str) -> ServedPrompt:
        client = await self._opened()
        served = await _translated(client.prompts.get(quote(name, safe=""), label=label, request_options=_once()))
        if not isinstance(served.prompt, str):  # one for a chat: messages
            raise TracesUnavailable("The prompt in Langfuse is none of text.")
        return ServedPrompt(text=served.prompt, name=served.name, version=served.version)

    async def _traces_of(self, client: "AsyncLangfuseAPI", user_id: UUID) -> set[str]:
        found, cursor = set[str](), None
        for _ in range(_MOST_PAGES):
            look = client.observations.get_many(fields="core", user_id=str(user_id), limit=_AT_ONCE, cursor=cursor, request_options=_once())
            page = await _translated(look)
            found |= {one.trace_id for one in page.data if one.trace_id}
            cursor = page.meta.cursor
            if not cursor:
                return found
        raise TracesUnavailable

    async def _opened(self) -> "AsyncLangfuseAPI":
        async with self._opening:
            if self._client is None:
                kind = await asyncio.to_thread(_imported)
                secret = self._settings.langfuse_secret_key.get_secret_value()
                self._client = kind(
                    base_url=self._settings.langfuse_base_url.rstrip("/"),
                    username=self._settings.langfuse_public_key,
                    password=secret,
                    x_langfuse_sdk_name="python",
                    x_langfuse_public_key=self._settings.langfuse_public_key,
                    httpx_client=self._http,
                )
        return self._client


@asynccontextmanager
async def open_langfuse(settings: TracingSettings) -> AsyncGenerator[LangfuseApi | None]:
    """None without its keys."""
    if not settings.has_langfuse:
        yield None
        return
    async with httpx.AsyncClient(timeout=_CALL_SECONDS) as http:
        yield LangfuseApi(http, settings)


async def _translated[Answer](call: Awaitable[Answer]) -> Answer:
    from langfuse.api.core import ApiError  # noqa: PLC0415  # it is imported by now

    try:
        async with asyncio.timeout(_CALL_SECONDS):
            return await call
    except ApiError as error:
        log.warning("langfuse_refused", status=error.status_code)
        # Its own words quote what was sent.
        raise TracesUnavailable("Langfuse refuses our keys." if error.status_code in _REFUSALS else None) from None
    except (httpx.HTTPError, TimeoutError, ValueError, OSError) as error:
        log.warning("langfuse_failed", error=type(error).__name__)
        raise TracesUnavailable from None


def _once() -> "RequestOptions":
    """Whoever asks tries again: the queue, or the next look."""
    return {"max_retries": 0}


def _imported() -> "type[AsyncLangfuseAPI]":
    from langfuse.api import AsyncLangfuseAPI  # noqa: PLC0415

    return AsyncLangfuseAPI
