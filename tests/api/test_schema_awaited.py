"""A server that comes before its schema: it says so, and serves once the schema is there."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx
import psycopg
import pytest

from app.persistence import migrate
from tests.faults.server_process import ServerProcess
from tests.visitor import Visitor

_SECONDS = 30
# uvicorn's exit code.
_START_FAILED = 3


def _emptied(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


async def test_a_server_on_an_empty_schema_starts_says_what_it_lacks_and_serves_once_it_is_there(
    variables_of_test: Mapping[str, str], database_url: str, tmp_path: Path
) -> None:
    _emptied(database_url)
    process = ServerProcess({**variables_of_test, "WORKER_IN_SERVER": "false"}, tmp_path / "log", ready=503)
    async with process, httpx.AsyncClient(base_url=process.url) as client:
        lacking = (await client.get("/health/ready")).json()["dependencies"]["database"]
        assert lacking["status"] == "failing"
        assert "no revision; this server needs" in lacking["detail"]
        assert (await client.get("/health/live")).status_code == httpx.codes.OK
        account = {"email": "ada@example.com", "password": "Correct-horse-9"}
        assert (await client.post("/api/v1/auth/register", json=account)).status_code == httpx.codes.SERVICE_UNAVAILABLE

        await asyncio.to_thread(migrate.up, database_url)
        assert (await client.get("/health/ready")).status_code == httpx.codes.OK
        async with Visitor(process.url) as ada:
            await ada.register("ada@example.com")
        await _adopted(database_url)


async def _adopted(url: str) -> None:
    """Whose vectors the memories have is settled then, as it is at any start."""
    async with asyncio.timeout(_SECONDS), await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while not (await connection.execute("SELECT FROM memory_embedder")).rowcount:  # noqa: ASYNC110  # another process does it
            await asyncio.sleep(0.1)


async def test_a_database_of_others_keeps_a_server_from_starting_in_plain_words(
    variables_of_test: Mapping[str, str], database_url: str, tmp_path: Path
) -> None:
    _emptied(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('CREATE TABLE "user" (another int)')
    process = ServerProcess({**variables_of_test, "MIGRATE_ON_START": "true"}, tmp_path / "log")
    with pytest.raises(AssertionError, match=r"start_failed .*Give Milepost a database of its own"):
        await process.__aenter__()
    assert process.wait() == _START_FAILED
    assert "Traceback" not in process.output()
