"""A database that hangs is one that does not answer: no statement waits for ever."""

import pytest

from app.errors import DatabaseUnavailable
from app.persistence.database import fetch_all, open_database, transaction
from app.settings import DatabaseSettings


async def test_a_statement_that_takes_too_long_has_failed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_STATEMENT_SECONDS", "0.2")
    async with open_database(database_url, DatabaseSettings()) as database:
        for _ in range(4):  # a connection that has been used and rolled back keeps its patience
            with pytest.raises(DatabaseUnavailable):
                await fetch_all(database.pool, "SELECT pg_sleep(20)", {})
            with pytest.raises(DatabaseUnavailable):
                async with transaction(database.pool) as connection:
                    await connection.execute("SELECT pg_sleep(20)")
