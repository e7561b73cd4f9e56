"""Is the process alive, may it have traffic, and how is each thing it depends on?"""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from app.errors import DatabaseUnavailable, ServerStopping
from app.settings import Environment

router = APIRouter(tags=["health"])


class Schema(Protocol):
    async def drift(self) -> str | None:
        """Raise DatabaseUnavailable; None when the schema is the one this server needs."""
        ...


class Work(Protocol):
    @property
    def is_stopping(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the health routes ask and tell."""

    schema: Schema
    runs: Work
    patience_seconds: float
    environment: Environment
    version: str
    demo: bool


class Dependency(BaseModel):
    status: Literal["ok", "failing"]
    detail: str | None


class HealthReport(BaseModel):
    status: Literal["ok", "failing"]
    version: str
    environment: Environment
    demo_model: bool
    dependencies: dict[str, Dependency]


class Alive(BaseModel):
    status: Literal["ok"]


async def _health(request: Request) -> Health:
    return request.state.health  # type: ignore[no-any-return]  # deps.State, as main fills it


HealthDep = Annotated[Health, Depends(_health)]


@router.get("/health/live")
async def live() -> Alive:
    """The process answers; asks nothing else, so that a database's trouble restarts no server."""
    return Alive(status="ok")


@router.get("/health/ready", responses={503: {"model": HealthReport, "description": "A dependency is failing, and which"}})
async def ready(health: HealthDep, response: Response) -> HealthReport:
    """The server may have traffic: the database answers, its schema is the one this code needs, and the server is not stopping."""
    return await report(health, response)


@router.get("/health", responses={503: {"model": HealthReport, "description": "A dependency is failing, and which"}})
async def report(health: HealthDep, response: Response) -> HealthReport:
    """How the server is, with each dependency by name."""
    dependencies = {"database": await _database(health)}
    if health.runs.is_stopping:
        dependencies["server"] = Dependency(status="failing", detail=ServerStopping().detail)
    well = all(dependency.status == "ok" for dependency in dependencies.values())
    response.status_code = 200 if well else 503
    return HealthReport(
        status="ok" if well else "failing",
        version=health.version,
        environment=health.environment,
        demo_model=health.demo,
        dependencies=dependencies,
    )


async def _database(health: Health) -> Dependency:
    try:
        async with asyncio.timeout(health.patience_seconds):
            drift = await health.schema.drift()
    except (DatabaseUnavailable, TimeoutError):
        return Dependency(status="failing", detail=DatabaseUnavailable().detail)
    return Dependency(status="failing" if drift else "ok", detail=drift)
