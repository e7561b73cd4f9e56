"""A server that does no background work samples nothing, and shows the schema that its probes see."""

import httpx
import psycopg

from tests.conftest import Server


async def test_a_probe_shows_a_schema_that_falls_short(server: Server, database_url: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{server.url}/health/ready")).is_success
        assert "milepost_schema_drift 0.0" in (await client.get(f"{server.url}/metrics")).text
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = (SELECT left(version_num, 0))")
        await client.get(f"{server.url}/health/ready")
        assert "milepost_schema_drift 1.0" in (await client.get(f"{server.url}/metrics")).text
