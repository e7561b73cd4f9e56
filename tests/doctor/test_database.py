"""What the doctor says of databases that are well, dead, empty, old, or not the one that was meant."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.doctor.database import NAMES
from app.doctor.findings import Finding, State
from app.persistence import migrate, revisions
from app.persistence.embedded import embedded_postgres, is_at_work
from tests.doctor.looking import Look
from tests.gone import gone
from tests.ports import held_port
from tests.scale.programs import PoolerProcess

_SHADOW: Final = """
CREATE SCHEMA shadow;
CREATE VIEW shadow.pg_available_extensions AS SELECT * FROM pg_catalog.pg_available_extensions WHERE name <> 'vector';
CREATE FUNCTION shadow.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS 'SELECT pg_catalog.clock_timestamp() + make_interval(secs => {seconds})';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = shadow, pg_catalog, public', current_database()); END $$
"""
_REMEMBER: Final = """
INSERT INTO "user" (id, email, password_hash, created_at) VALUES (gen_random_uuid(), 'ada@example.com', 'x', now());
INSERT INTO memory (id, vector, payload) SELECT gen_random_uuid(), '[1]', jsonb_build_object('data', 'Tea', 'user_id', id) FROM "user";
INSERT INTO memory_embedder (name, dimensions) VALUES ('another', 1)
"""


def _do(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def _states(found: Mapping[str, Finding]) -> dict[str, str]:
    return {name: found[name].state for name in NAMES}


async def test_a_database_that_is_well_is_well_in_all(look: Look) -> None:
    found = await look()
    assert _states(found) == dict.fromkeys(NAMES, "ok")
    assert "Postgres 18" in found["database"].found
    assert found["migrations"].found == f"at {revisions.head()}, the newest"


async def test_a_dead_database_hides_nothing_else(look: Look) -> None:
    with held_port() as nobody:
        port = nobody.getsockname()[1]
        found = await look({"DATABASE_URL": f"postgresql://milepost:canary@127.0.0.1:{port}/milepost"})
    assert _states(found) == {"database": "failed", **dict.fromkeys(NAMES[1:], "skipped")}
    assert found["database"].found == f"Nothing can be reached at port {port} of 127.0.0.1 (Connection refused)."
    assert {found[name].state for name in ("settings", "files", "data_dir", "models", "model stub")} <= {State.OK, State.WARNING}


async def test_a_database_that_is_not_there_is_named_so_and_not_made(look: Look, database_url: str) -> None:
    name = str(conninfo_to_dict(database_url)["dbname"])
    found = await look({"DATABASE_URL": database_url.replace(name, "nobodys")})
    assert "has no database of the name" in found["database"].found
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT FROM pg_database WHERE datname = 'nobodys'").fetchone() is None


async def test_a_database_that_lets_nobody_in_is_told_from_one_that_is_dead(look: Look, database_url: str) -> None:
    with gone(database_url):
        assert "lets us not in" in (await look())["database"].found


async def test_an_address_that_is_none_is_said_without_a_word_of_it(look: Look) -> None:
    found = (await look({"DATABASE_URL": "postgresql://canary:canary@[/x"}))["database"]
    assert (found.state, found.found) == ("failed", "DATABASE_URL is not a valid postgresql:// address.")


async def test_what_is_wrong_with_the_way_past_a_pooler_is_said_of_it(look: Look, database_url: str) -> None:
    found = (await look({"DATABASE_DIRECT_URL": "postgresql://canary:canary@[/x"}))["database"]
    assert (found.state, found.found) == ("failed", "DATABASE_DIRECT_URL is not a valid postgresql:// address.")
    name = str(conninfo_to_dict(database_url)["dbname"])
    found = (await look({"DATABASE_DIRECT_URL": database_url.replace(name, "nobodys")}))["database"]
    assert (found.state, found.found.endswith("has no database of the name in DATABASE_DIRECT_URL.")) == ("failed", True)


async def test_room_is_counted_for_processes_that_listen_for_jobs_too(look: Look) -> None:
    assert "a server or worker opens 22 at the most" in (await look({"DATABASE_POOL_SIZE": "20"}))["connections"].found


@pytest.mark.parametrize("password", ["ca/nary", "12/nary", "p@nary", "123456/nary"])
async def test_a_password_that_is_taken_for_a_host_or_a_port_is_not_told(look: Look, password: str) -> None:
    found = (await look({"DATABASE_URL": f"postgresql://milepost:{password}@127.0.0.1:1/milepost"}))["database"]
    assert (found.state, "in its password is a / is written %2F" in found.found, "nary" in found.found) == ("failed", True, False)


async def test_an_older_schema_fails_and_a_later_one_warns(look: Look, database_url: str) -> None:
    migrate.down(database_url)
    behind = (await look())["migrations"]
    assert (behind.state, "this server needs" in behind.found, "migrate up" in behind.advice) == ("failed", True, True)
    _do(database_url, "UPDATE alembic_version SET version_num = 'of_tomorrow'")
    ahead = (await look())["migrations"]
    assert (ahead.state, "of_tomorrow" in ahead.found) == ("warning", True)


async def test_a_database_without_pgvector_says_what_is_missing(look: Look, database_url: str) -> None:
    name = str(conninfo_to_dict(database_url)["dbname"])
    bare = database_url.replace(name, f"{name}_bare")
    _do(database_url, f"CREATE DATABASE {name}_bare")
    try:
        found = await look({"DATABASE_URL": bare})
        assert (found["pgvector"].state, "not in this database" in found["pgvector"].found) == ("failed", True)
        assert (found["migrations"].state, "no revision" in found["migrations"].found) == ("failed", True)
        assert found["memories"].found == "nothing is remembered yet"
        _do(bare, _SHADOW.format(seconds=0))
        assert "not on the database's machine" in (await look())["pgvector"].found
    finally:
        _do(database_url, f"DROP DATABASE {name}_bare WITH (FORCE)")


@pytest.mark.parametrize(("seconds", "state"), [(0, "ok"), (4, "warning"), (-60, "failed")])
async def test_a_clock_that_is_further_off_than_tokens_bear_fails(look: Look, database_url: str, seconds: int, state: str) -> None:
    _do(database_url, _SHADOW.format(seconds=seconds))
    clock = (await look())["clock"]
    assert (clock.state, "tokens bear 5 s" in clock.found) == (state, True)


async def test_a_pool_larger_than_the_database_is_found(look: Look) -> None:
    connections = (await look({"DATABASE_POOL_SIZE": "900"}))["connections"]
    assert (connections.state, "DATABASE_POOL_SIZE" in connections.advice) == ("failed", True)


async def test_vectors_of_another_embedder_fail(look: Look, database_url: str) -> None:
    _do(database_url, _REMEMBER)
    memories = (await look({"EMBEDDING_MODEL": "words"}))["memories"]
    assert (memories.state, "vectors of another" in memories.found) == ("failed", True)


async def test_an_embedded_database_is_found_at_work_or_started_for_the_look_and_never_made(look: Look, tmp_path: Path) -> None:
    home = {"DATABASE_URL": "", "DATA_DIR": str(tmp_path / "home")}
    none_yet = await look(home)
    assert (none_yet["database"].state, none_yet["clock"].state, (tmp_path / "home").exists()) == ("warning", "skipped", False)
    with embedded_postgres(tmp_path / "home", durable=False) as url:
        migrate.up(url)
        assert "of a server at work" in (await look())["database"].found
    async with asyncio.timeout(30):
        while is_at_work(tmp_path / "home"):  # noqa: ASYNC110  # it stops in a process of its own
            await asyncio.sleep(0.02)
    again = await look()
    assert "started for this look" in again["database"].found
    assert _states(again) == dict.fromkeys(NAMES, "ok")


@pytest.mark.proxy
async def test_a_pool_by_transaction_is_well_only_with_a_way_past_it(look: Look, database_url: str, tmp_path: Path) -> None:
    with PoolerProcess(tmp_path, database_url) as pooler:
        alone = (await look({"DATABASE_URL": pooler.url}))["database"]
        assert (alone.state, "DATABASE_DIRECT_URL" in alone.found) == ("failed", True)
        found = await look({"DATABASE_DIRECT_URL": database_url})
        assert _states(found) == dict.fromkeys(NAMES, "ok")
        assert "by way of a pooler" in found["database"].found
