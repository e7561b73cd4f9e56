"""Open what watches runs from outside: where their traces go, the scores that users give them, and prompts that are served."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import aiohttp
import structlog

from app import VERSION
from app.agent.hooks.masking import masked
from app.agent.prompts import SYSTEM, ServedPrompt, served_prompt
from app.errors import AppError
from app.internet.proxies import proxy_of
from app.observability.langfuse import LangfuseApi, open_langfuse
from app.observability.traces.outlet import HttpOutlet
from app.observability.traces.run_trace import TracedRuns, is_sampled
from app.persistence.database import Pool
from app.persistence.feedback import FeedbackTable
from app.persistence.judgements import JudgementTable
from app.persistence.queue import Job, by_id
from app.runs.chores import kept_up
from app.runs.feedback import score_answer
from app.runs.judging import score_judgements
from app.settings import Settings, TracingSettings

SCORES: Final = frozenset({"score_answer", "score_judgements"})
_SEND_SECONDS: Final = 10
_CLOSE_SECONDS: Final = 2
_LANGFUSE_PATH: Final = "/api/public/otel/v1/traces"
_OTLP_PATH: Final = "/v1/traces"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTracing:
    """`runs` is None where nothing is traced; `jobs` tell Langfuse what users think, and what judges said."""

    runs: TracedRuns | None
    prompts: "ServedSystemPrompt"
    jobs: Mapping[str, Job]
    outlets: Sequence[HttpOutlet]

    def forget(self, user_id: str | None) -> None:
        """Send no more of a user who was erased; None says that somebody may have been, and nobody knows who."""
        for outlet in self.outlets if user_id else ():
            outlet.forget(UUID(user_id))


@asynccontextmanager
async def open_tracing(settings: Settings, pool: Pool) -> AsyncGenerator[OpenTracing]:
    tracing = settings.tracing
    async with AsyncExitStack() as stack:
        langfuse = await stack.enter_async_context(open_langfuse(tracing))
        outlets = [await stack.enter_async_context(outlet) for outlet in _outlets(settings)] if tracing.is_on else []
        prompts = ServedSystemPrompt(langfuse, tracing)
        if langfuse and tracing.prompt:
            await stack.enter_async_context(_doing(prompts.keep_looking, "prompts"))
        yield OpenTracing(
            runs=_traced_runs(settings, outlets) if outlets else None,
            prompts=prompts,
            jobs=_jobs(pool, Scores(langfuse, tracing)) if langfuse else {},
            outlets=outlets,
        )


class Scores:
    """What users think and what judges said, as Langfuse is told; what users write only where text is traced."""

    def __init__(self, langfuse: LangfuseApi, settings: TracingSettings) -> None:
        self._langfuse = langfuse
        self._settings = settings

    def wants(self, run_id: UUID) -> bool:
        return is_sampled(run_id, self._settings.sample_rate)

    async def score(self, score_id: UUID, run_id: UUID, value: int, comment: str, given_at: datetime) -> None:
        told = comment if self._settings.text else ""
        await self._langfuse.score(score_id, run_id, value, masked(told) if self._settings.masks else told, given_at)

    async def score_judgement(self, score_id: UUID, run_id: UUID, metric: str, value: float, given_at: datetime) -> None:
        await self._langfuse.score(score_id, run_id, value, "", given_at, name=metric)


class ServedSystemPrompt:
    """The latest version of the system prompt that Langfuse has served, and that can be filled in; the file until there is one."""

    def __init__(self, langfuse: LangfuseApi | None, settings: TracingSettings) -> None:
        self._langfuse = langfuse
        self._settings = settings
        self._served: ServedPrompt | None = None
        self._is_out = False

    def __call__(self, name: str) -> ServedPrompt | None:
        return self._served if name == SYSTEM else None

    async def keep_looking(self) -> None:
        while True:
            try:
                await self._look()
                self._is_out = False
            except AppError as error:
                if not self._is_out:
                    self._is_out = True
                    log.warning("prompt_not_served", error=error.code, kept=self._served is not None)
            await asyncio.sleep(self._settings.prompt_seconds)

    async def _look(self) -> None:
        assert self._langfuse  # noqa: S101  # nobody looks without one
        found = await self._langfuse.prompt(self._settings.prompt, self._settings.prompt_label)
        mark: dict[str, str | int] = {"name": found.name, "version": found.version}
        if self._served and self._served.mark == mark:
            return
        self._served = served_prompt(found.text, mark)
        log.info("prompt_served", version=found.version)


def _traced_runs(settings: Settings, outlets: Sequence[HttpOutlet]) -> TracedRuns:
    tracing = settings.tracing
    return TracedRuns(outlets, rate=tracing.sample_rate, text=tracing.text, environment=settings.environment, release=VERSION)


def _jobs(pool: Pool, scores: Scores) -> Mapping[str, Job]:
    return {
        "score_answer": by_id(partial(score_answer, FeedbackTable(pool), scores)),
        "score_judgements": by_id(partial(score_judgements, JudgementTable(pool), scores)),
    }


def _outlets(settings: Settings) -> Iterator[AbstractAsyncContextManager[HttpOutlet]]:
    tracing = settings.tracing
    if tracing.has_langfuse:
        login = aiohttp.encode_basic_auth(tracing.langfuse_public_key, tracing.langfuse_secret_key.get_secret_value())
        # The version of its way to take them in: each span is seen as soon as it is there.
        headers = {"Authorization": login, "x-langfuse-ingestion-version": "4", "x-langfuse-public-key": tracing.langfuse_public_key}
        yield _open_outlet("langfuse", tracing.langfuse_base_url, _LANGFUSE_PATH, headers, settings)
    if tracing.otlp_endpoint:
        yield _open_outlet("otlp", tracing.otlp_endpoint, _OTLP_PATH, tracing.named_headers, settings)


@asynccontextmanager
async def _open_outlet(name: str, base_url: str, path: str, headers: Mapping[str, str], settings: Settings) -> AsyncGenerator[HttpOutlet]:
    timeout, resource = aiohttp.ClientTimeout(total=_SEND_SECONDS), {"service.name": "milepost", "service.version": VERSION}
    more = {**resource, "deployment.environment.name": str(settings.environment)}
    most, mask = settings.tracing.queue_spans, masked if settings.tracing.masks else None
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), proxy=proxy_of(base_url)) as http:
        outlet = HttpOutlet(http, f"{base_url.rstrip('/')}{path}", headers, name=name, resource=more, most_spans=most, mask=mask)
        async with _doing(outlet.keep_sending, name):
            yield outlet
        await outlet.close(_CLOSE_SECONDS)


@asynccontextmanager
async def _doing(work: Callable[[], Awaitable[None]], name: str) -> AsyncGenerator[None]:
    doing = asyncio.create_task(kept_up(work), name=name)
    try:
        yield
    finally:
        doing.cancel()
        await asyncio.wait([doing])
