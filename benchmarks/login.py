"""`python -m benchmarks.login`: many people log in at once; how long they wait, and whether anybody else notices.

A server process and an embedded Postgres of their own, on the cores of one machine, and whoever logs in there too.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Final

import httpx
import psutil

from app.persistence import migrate
from app.persistence.embedded import embedded_postgres
from benchmarks.processes import free_port, rss_bytes, started
from tests.visitor import PASSWORD

_AT_ONCE: Final = (1, 50, 100)
_ROUNDS: Final = 3
_IDLE_SECONDS: Final = 3
_LOOK_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 120


async def main() -> None:
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, embedded_postgres(Path(name)) as url:
        migrate.up(url)
        port = free_port()
        settings = {
            "APP_ENV": "production",
            "DATABASE_URL": url,
            "JWT_SECRET_KEY": secrets.token_urlsafe(48),
            "ALLOW_DEMO_MODEL": "true",
            "LOG_LEVEL": "warning",
            "RATE_LIMIT_LOGIN": "1000000 per minute",
            "RATE_LIMIT_DEFAULT": "1000000 per minute",
        }
        server_url = f"http://127.0.0.1:{port}"
        log = Path(name, "server.log")
        with started("benchmarks.lagging", str(port), ready_url=f"{server_url}/health/ready", log=log, variables=settings) as server:
            async with httpx.AsyncClient(
                base_url=server_url, timeout=_PATIENCE_SECONDS, limits=httpx.Limits(max_connections=None)
            ) as client:
                await _measure(client, server)


async def _measure(client: httpx.AsyncClient, server: psutil.Process) -> None:
    emails = [f"user{number}@example.com" for number in range(max(_AT_ONCE))]
    for email in emails:
        (await client.post("/api/v1/auth/register", json={"email": email, "password": PASSWORD})).raise_for_status()
    await client.post("/lag")
    await asyncio.sleep(_IDLE_SECONDS)
    print(f"idle: {_told(await _lags(client))}, {rss_bytes(server) / 1e6:.0f} MB")
    for count in _AT_ONCE:
        await _log_in_at_once(client, server, emails[:count])


async def _log_in_at_once(client: httpx.AsyncClient, server: psutil.Process, emails: Sequence[str]) -> None:
    await client.post("/lag")
    seconds, statuses, sizes = list[float](), Counter[int](), list[float]()
    for _ in range(_ROUNDS):
        watching = asyncio.create_task(_watch(server, sizes))
        for status, taken in await asyncio.gather(*(_log_in(client, email) for email in emails)):
            seconds.append(taken)
            statuses[status] += 1
        watching.cancel()
    cuts = quantiles(seconds, n=20, method="inclusive")
    print(
        f"{len(emails)} at once, {_ROUNDS} times: p50 {cuts[9]:.2f} s, p95 {cuts[18]:.2f} s, {dict(statuses)}; "
        f"{_told(await _lags(client))}, {max(sizes) / 1e6:.0f} MB at the most"
    )


async def _watch(server: psutil.Process, sizes: list[float]) -> None:
    while True:
        sizes.append(rss_bytes(server))
        await asyncio.sleep(_LOOK_SECONDS)


async def _log_in(client: httpx.AsyncClient, email: str) -> tuple[int, float]:
    began = time.perf_counter()
    answer = await client.post("/api/v1/auth/login", data={"username": email, "password": PASSWORD})
    return answer.status_code, time.perf_counter() - began


async def _lags(client: httpx.AsyncClient) -> Sequence[float]:
    lags: Sequence[float] = (await client.get("/lag")).json()
    return lags


def _told(lags: Sequence[float]) -> str:
    cuts = quantiles(lags, n=100, method="inclusive")
    return f"loop lag p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, most {max(lags):.0f} ms"


if __name__ == "__main__":
    asyncio.run(main())
