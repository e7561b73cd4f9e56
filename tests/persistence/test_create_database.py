"""Creating the database that an address names, on a server that is not ours to start."""

import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import psycopg
import pytest

from app.errors import DatabaseUnavailable
from app.persistence.embedded import create_database, embedded_postgres
from tests.persistence.clients import ask


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_postgres(tmp_path_factory.mktemp("server"), durable=False) as url:
        yield url


def named(server: str, database: str, user: str = "postgres") -> str:
    return server.replace("postgres@/milepost", f"{user}@/{quote(database, safe='')}")


def told(error: BaseException) -> str:
    """Everything that a log could show of an error."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("database", ["new", "qu\"ot'ed; DROP", "Größe 50%", "a/b?c#d"])
def test_a_database_that_is_missing_is_created_and_then_left_alone(server: str, database: str) -> None:
    create_database(named(server, database))
    ask(named(server, database), "CREATE TABLE kept AS SELECT 42 AS value")
    create_database(named(server, database))
    assert ask(named(server, database), "SELECT current_database()") == database
    assert ask(named(server, database), "SELECT value FROM kept") == 42


def test_several_who_create_it_at_once_all_succeed(server: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create_database, [named(server, "wanted-by-eight")] * 8))
    assert ask(named(server, "wanted-by-eight"), "SELECT 1") == 1


def test_a_user_who_may_not_create_databases_can_use_those_there_are(server: str) -> None:
    ask(server, "CREATE ROLE humble LOGIN")
    create_database(named(server, "milepost", user="humble"))
    with pytest.raises(DatabaseUnavailable, match="may not create it"):
        create_database(named(server, "never-made", user="humble"))


def test_a_server_that_refuses_the_user_is_not_taken_for_a_missing_database(server: str) -> None:
    url = named(server, "milepost", user="stranger:hidden-password")
    with pytest.raises(DatabaseUnavailable, match="refuses us") as caught:
        create_database(url)
    assert isinstance(caught.value.__cause__, psycopg.Error)
    assert "hidden-password" not in told(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:/user:hidden-password@host/name",
        "postgresql://user:hidden-password @host/name",
        "postgresql+psycopg://user:hidden-password@host/name",
        "mysql://user:hidden-password@host/name",
        "postgresql://user:hidden-password@127.0.0.1:1/name",
        "postgresql://user:hidden-password@no-such-host.invalid/name?connect_timeout=2",
        "postgresql://user:hidden-password@127.0.0.1:1/name%00",
    ],
)
def test_an_address_that_leads_nowhere_is_said_so_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        create_database(url)
    assert "hidden-password" not in told(caught.value)
