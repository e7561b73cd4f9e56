"""Have the metrics of a process hear and see its open parts."""

import platform
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

from app import VERSION
from app.observability import metrics
from app.observability.exposition import Exposition
from app.observability.labels import Names, initialise
from app.observability.lag import watching_the_loop
from app.observability.measuring import measuring
from app.observability.states import States
from app.persistence.pools import state_of
from app.settings import Settings
from app.wiring import Services, open_services

type Role = Literal["server", "worker"]


@asynccontextmanager
async def open_watched(settings: Settings, role: Role) -> AsyncGenerator[tuple[Services, Exposition]]:
    """The open parts, heard from before they are opened on; raise what `open_services` does."""
    if not settings.metrics.are_on:
        async with open_services(settings) as services:
            yield services, _exposition(settings, services)
        return
    known: list[Services] = []
    with measuring(lambda tool: any(tool in _tools(services) for services in known)):
        async with open_services(settings) as services, watching_the_loop():
            known.append(services)
            initialise(_names(services, settings))
            _introduce(settings, role)
            yield services, _exposition(settings, services)


def _exposition(settings: Settings, services: Services) -> Exposition:
    states = States(
        pools=lambda: [state_of(services.watched.pool)],
        breakers=lambda: [(model.name, services.models.state(model.name)) for model in services.models],
        live_runs=services.watched.live_runs,
        most_runs=settings.runs.max_live_runs,
    )
    return Exposition(settings.metrics, settings.environment, states.look)


def _introduce(settings: Settings, role: Role) -> None:
    metrics.BUILD.clear()
    metrics.BUILD.labels(VERSION, settings.metrics.revision, platform.python_version(), settings.environment, role).set(1)
    metrics.COST_BUDGET.set(settings.metrics.cost_budget_usd_per_hour)
    if not settings.redis.url.get_secret_value():
        metrics.SHARED_LIMITS_UP.set(1)  # nothing is shared, and nothing can be away


def _names(services: Services, settings: Settings) -> Names:
    return Names(
        agents=[agent.name for agent in services.catalog],
        models=[model.name for model in services.models],
        tools=sorted(_tools(services)),
        tiers=[*services.limits.rates.tiers.names],
        tasks=[name for name in services.queue.tasks if name.isidentifier()],  # not the queue's own
        judges=settings.evals.judges if settings.evals.are_on else (),
    )


def _tools(services: Services) -> set[str]:
    """Those that MCP servers bring come and go."""
    return {tool.name for agent in services.catalog for tool in services.catalog.tools(agent.name)}
