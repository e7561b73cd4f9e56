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


class Notices(Protocol):
    @property
    def is_well(self) -> bool: ...


class Work(Protocol):
    @property
    def is_stopping(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the health routes ask and tell."""

    schema: Schema
    notices: Notices | None = None
    runs: Work
    patience_seconds: float
    environment: Environment
    version: str
    demo: bool


class Dependency(BaseModel):
    status: Literal["ok", "degraded", "failing"]
    detail: str | None


class HealthReport(BaseModel):
    status: Literal["ok", "degraded", "failing"]
    version: str
    environment: Environment
    demo_model: bool
    dependencies: dict[str, Dependency]


class Alive(BaseModel):
    status: Literal["ok"]


async def _health(request: Request) -> Health:
    return request.state.health  # type: ignore[no-any-return]  # deps.State, as main fills it


HealthDep = Annotated[Health, Depends(_health)]


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live")
async def live() -> Alive:
    """The process answers; asks nothing else, so that a database's trouble restarts no server."""
    return Alive(status="ok")


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", responses={503: {"model": HealthReport, "description": "A dependency is failing, and which"}})
async def ready(health: HealthDep, response: Response) -> HealthReport:
    """The server may have traffic: the database answers, its schema is the one this code needs, and the server is not stopping."""
    return await report(health, response)


@router.head("/health", include_in_schema=False)
@router.get("/health", responses={503: {"model": HealthReport, "description": "A dependency is failing, and which"}})
async def report(health: HealthDep, response: Response) -> HealthReport:
    """How the server is, with each dependency by name."""
    dependencies = {"database": await _database(health)}
    if health.notices:
        dependencies["redis"] = _redis(health.notices)
    if health.runs.is_stopping:
        dependencies["server"] = Dependency(status="failing", detail=ServerStopping().detail)
    statuses = {dependency.status for dependency in dependencies.values()}
    response.status_code = 503 if "failing" in statuses else 200
    return HealthReport(
        status="failing" if "failing" in statuses else "degraded" if "degraded" in statuses else "ok",
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


def _redis(notices: Notices) -> Dependency:
    # Not asked here: without it readers wait a little longer, and a probe should not.
    return Dependency(status="ok", detail=None) if notices.is_well else Dependency(status="degraded", detail="Redis is not answering.")
