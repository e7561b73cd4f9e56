"""What the runs of this process are made with: the agents, the bench that each attempt works at, the answers that are kept."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from app.accounts.rates import Rates, rates_of
from app.agent.mcp.file import read_servers
from app.agent.mcp.opening import open_mcp
from app.agent.prompts import ServedPrompts
from app.agent.registry import Agents
from app.agent.web.opening import open_web
from app.llm.kept_answers import AnswersInMemory
from app.llm.response_cache import ResponseCache
from app.persistence.awaiting import once_there_is_a_schema
from app.persistence.checkpointer import FencedSaver, PooledPostgresSaver
from app.persistence.database import Pool
from app.persistence.history import HistoryTable
from app.persistence.pace import Pace
from app.persistence.quotas import QuotaTable
from app.persistence.recent_checkpoints import RecentCheckpoints
from app.persistence.sessions import SessionTable
from app.persistence.shared import open_shared_answers, open_shared_scripts
from app.persistence.tool_starts import ToolStarts
from app.persistence.values import TakenRun
from app.runs.past import Past
from app.runs.quotas import Quotas
from app.runs.recall import Recall
from app.runs.tracing import Tracing
from app.runs.walk import Bench, Means
from app.settings import CacheSettings, RedisSettings, RunSettings, Settings, Tiers


class Watching(Protocol):
    """What traces runs, None where nothing does, and the prompts that are served from there."""

    @property
    def runs(self) -> Tracing | None: ...
    @property
    def prompts(self) -> ServedPrompts: ...


@asynccontextmanager
async def open_means(
    settings: Settings, pool: Pool, memory: Recall | None, names: SessionTable, cache: ResponseCache | None, *, watching: Watching
) -> AsyncGenerator[Means]:
    """The agents with their tools, those of MCP servers as long as this is open; raise SettingsInvalid."""
    servers = read_servers(settings.mcp.file, settings.mcp_variables)
    async with open_web(settings.web) as web:
        means = Means(
            agents=Agents(PooledPostgresSaver(pool)),
            memory=memory,
            names=names,
            cache=cache,
            runs=settings.runs,
            tools=settings.tools,
            web=web,
            context=settings.context,
            room=asyncio.Semaphore(settings.tools.concurrency),
            prompts=watching.prompts,
            tracing=watching.runs,
            logs_text=settings.logs.text,
        )
        async with open_mcp(servers, settings.mcp_variables, means.agents):
            yield means


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What requests are counted with, and what runs may come to."""

    rates: Rates
    quotas: Quotas


@asynccontextmanager
async def open_limits(tiers: Tiers, pool: Pool, settings: Settings) -> AsyncGenerator[Limits]:
    """With the counters of those whose tier counts anything, and of nobody else."""
    table, first = QuotaTable(pool, patience_seconds=settings.runs.lease_seconds), next(iter(tiers))
    counting = [tier.name for tier in tiers if tier.counts]
    forget = partial(table.forget, counting=counting, known=tiers.names, others=not first.counts)
    quotas = Quotas(tiers, table, answer_tokens=settings.limits.answer_tokens)
    async with once_there_is_a_schema(forget), open_shared_scripts(settings.redis) as scripts:
        yield Limits(rates=rates_of(settings.limits, tiers, scripts), quotas=quotas)


def past_of(agents: Agents, pool: Pool) -> Past:
    return Past(HistoryTable(pool), agents)


def bench_of(agents: Agents, pool: Pool, recent: RecentCheckpoints, settings: RunSettings) -> Callable[[TakenRun], Bench]:
    """What an attempt works with: its checkpoints are written only while it holds the run, and begin where the run does."""

    pace = Pace(settings.event_flush_ms / 1_000)

    def bench(run: TakenRun) -> Bench:
        begin_at = run.checkpoint or run.from_checkpoint
        patience = {"patience_seconds": settings.lease_seconds}
        saver = FencedSaver(pool, run.id, run.attempt, begin_at, **patience, pace=pace, recent=recent)
        starts = ToolStarts(pool, run.id, run.attempt, settings.lease_seconds, saver.flush)
        agent = copy(agents.graph(run.agent))  # its own `copy` would check the picture anew
        agent.checkpointer = saver
        return Bench(agent=agent, place=saver, starts=starts)

    return bench


@asynccontextmanager
async def open_response_cache(settings: CacheSettings, redis: RedisSettings) -> AsyncGenerator[ResponseCache | None]:
    if not settings.is_on:
        yield None
        return
    async with open_shared_answers(redis, settings.seconds) as answers:
        yield ResponseCache(answers or AnswersInMemory(seconds=settings.seconds, entries=settings.entries, most_bytes=settings.most_bytes))
